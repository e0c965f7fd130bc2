/**
 * The tests that run without a runtime, alone: Stryker would run every project that it finds.
 */
import { defineConfig, mergeConfig } from "vitest/config"
import config from "../../vitest.config.ts"

const unit = config.test?.projects?.find((project) =>
  typeof project === "object" && "test" in project && project.test?.name === "unit"
)
if (typeof unit !== "object") throw new Error("vitest.config.ts has no project `unit`.")

export default defineConfig({
  test: {
    projects: [
      mergeConfig(unit, {
        test: {
          isolate: false,
          setupFiles: ["scripts/mutation/fresh.ts"],
          sequence: { setupFiles: "list" },
          // Where a test hangs, what cleans up after it often does, too.
          hookTimeout: 2_000
        }
      })
    ]
  }
})
