/**
 * Writes the OpenAPI document that the deployed Worker serves, from the definition of its API. A test demands that it
 * was run.
 *
 *     node scripts/openapi.ts
 */
import * as OpenApi from "effect/http-api/OpenApi"
import { writeFileSync } from "node:fs"
import { Chat } from "../src/Chat.ts"
import * as RoomsApi from "../src/http/RoomsApi.ts"

/** The document, as it is to be. */
export const document = OpenApi.fromApi(RoomsApi.make(Chat).annotate(OpenApi.Title, "Dormouse"))

if (import.meta.main) {
  writeFileSync(new URL("../src/openapi.json", import.meta.url), `${JSON.stringify(document, null, 2)}\n`)
}
