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
      { test: { name: "unit", include: ["test/*.test.ts", "test/{domain,services,memory,listeners,docs,http}/**/*.test.ts"] } },
      // The same contracts against the real runtime, from inside.
      {
        plugins: [cloudflareTest({ wrangler: { configPath: "./test/durable/wrangler.toml" } })],
        test: { name: "workerd", include: ["test/durable/**/*.test.ts"], hookTimeout: 60_000 }
      },
      // The Worker and the examples as they are deployed, from outside, over TCP and in a browser.
      {
        test: {
          name: "deployed",
          include: ["test/{worker,examples,web}/**/*.test.ts"],
          testTimeout: 60_000,
          hookTimeout: 60_000,
          fileParallelism: false
        }
      }
    ]
  }
})
