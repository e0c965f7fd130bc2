import { cloudflareTest } from "@cloudflare/vitest-plugin"
import { defineConfig } from "vitest/config"

const quiet = {
  CLOUDFLARE_CF_FETCH_ENABLED: "false",
  WRANGLER_SEND_METRICS: "false",
  WRANGLER_SEND_ERROR_REPORTS: "false",
  WRANGLER_WRITE_LOGS: "false"
}

Object.assign(process.env, quiet)

export default defineConfig({
  test: {
    projects: [
      // Pure logic and rooms without a runtime, in Node.
      {
        test: {
          name: "unit",
          include: [
            "test/*.test.ts",
            "test/{client,domain,services,memory,rpc,listeners,docs,http,doors,inspector}/**/*.test.ts",
            "test/{chaos,examples}/*.memory.test.ts"
          ]
        }
      },
      // The same contracts against the real runtime, from inside.
      {
        plugins: [cloudflareTest({ wrangler: { configPath: "./test/durable/wrangler.toml" } })],
        test: { name: "workerd", include: ["test/durable/**/*.test.ts"], testTimeout: 20_000, hookTimeout: 60_000 }
      },
      // The Worker and the examples as they are deployed, from outside, over TCP and in a browser.
      {
        test: {
          name: "deployed",
          include: ["test/{worker,examples,chaos,fuzz,web}/**/*.test.ts"],
          exclude: ["**/*.memory.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false
        }
      },
      // The same tests, against the same room in plain Node.
      {
        test: {
          name: "node",
          include: ["test/worker/{breaking,chat,closing,crowd,frames,hostile,identity,names,routes,secrets}.test.ts"],
          provide: { server: "node" },
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false
        }
      },
      // The package as it is installed.
      { test: { name: "package", include: ["test/package/**/*.test.ts"], testTimeout: 60_000 } },
      // What must not compile.
      {
        test: {
          name: "types",
          include: [],
          typecheck: {
            enabled: true,
            checker: "node_modules/.bin/tsc",
            include: ["test/types/**/*.test-d.ts"],
            tsconfig: "test/types/tsconfig.json"
          }
        }
      }
    ]
  }
})
