import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test"
import { env } from "cloudflare:workers"
import * as Effect from "effect/Effect"
import { contract } from "../contract/journal.ts"
import type { Ledger } from "../contract/Ledger.ts"
import type { Env } from "./worker.ts"
import * as World from "./world.ts"

// SAFETY: the bindings are those of this folder's wrangler.toml.
const { LEDGER } = env as unknown as Env

let rooms = 0

contract(
  "in workerd",
  Effect.sync(() => {
    const name = `journal-${rooms++}`
    const stub = () => LEDGER.getByName(name)
    return {
      ...World.stored<typeof Ledger>(stub),
      crash: Effect.promise(async () => {
        await runInDurableObject(stub(), (_, ctx) => ctx.abort("The object crashes.")).catch(() => undefined)
      }),
      ring: Effect.promise(async () => {
        const at = await runInDurableObject(stub(), (_, { storage }) => storage.getAlarm())
        if (at === null) return Infinity
        const remaining = at - Date.now()
        if (remaining <= 1_000) await new Promise((resume) => setTimeout(resume, remaining + 50))
        else {
          // What is due later is due now.
          await runInDurableObject(stub(), (_, { storage }) => {
            storage.sql.exec("UPDATE dormouse_deadlines SET due = 0 WHERE due IS NOT NULL")
          })
          await runDurableObjectAlarm(stub())
        }
        return remaining
      })
    }
  }),
  { concurrent: true }
)
