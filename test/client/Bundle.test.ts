import { assert, it } from "@effect/vitest"
import { build } from "esbuild"

const root = new URL("../..", import.meta.url).pathname

const modulesOf = async (...modules: ReadonlyArray<string>) => {
  const { metafile } = await build({
    stdin: { contents: modules.map((path) => `export * from "./${path}"`).join("\n"), resolveDir: root },
    absWorkingDir: root,
    bundle: true,
    metafile: true,
    write: false,
    format: "esm"
  })
  return Object.keys(metafile.inputs).filter((path) => path.startsWith("src/"))
}

it("a client and a definition bring no module of the server (CC-13)", async () => {
  const modules = await modulesOf("src/Chat.ts", "src/client/RoomClient.ts", "src/client/Connect.ts")
  assert.include(modules, "src/client/Reconnection.ts")
  assert.deepStrictEqual(
    modules.filter((path) => !/^src\/(client|domain)\/|^src\/Chat\.ts$/.test(path)).toSorted(),
    // What the two ends share: the definition, the key under which its handlers are installed, and the words.
    ["src/services/Handlers.ts", "src/services/Protocol.ts", "src/services/Room.ts"]
  )
})
