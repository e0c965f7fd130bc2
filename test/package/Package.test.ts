import { afterAll, assert, describe, it } from "@effect/vitest"
import { build } from "esbuild"
import { execFileSync, spawnSync } from "node:child_process"
import { existsSync, globSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createRequire } from "node:module"
import { dirname, join, resolve } from "node:path"
import { publint } from "publint"
import { formatMessage } from "publint/utils"
import { all, entries, internal, modules, nameOf } from "../../scripts/exports.ts"
import { render } from "../../scripts/reference.ts"
import { install } from "./install.ts"

const root = new URL("../../", import.meta.url).pathname
const { project, tarball } = install()
const installed = join(project, "node_modules/effect-dormouse")

afterAll(() => rmSync(project, { recursive: true }))

const names = modules.map(nameOf)

/** A program that takes all that some modules have. */
const importing = (modules: ReadonlyArray<string>) =>
  modules.map((module, i) => `export * as module${i} from "${module}"`).join("\n")

const installedNames = (modules: ReadonlyArray<string>) => modules.map((module) => `effect-dormouse/${nameOf(module)}`)

const manifest = JSON.parse(readFileSync(join(installed, "package.json"), "utf8"))

describe("the entries", () => {
  it("are one for each public module; `npm run exports` writes them", () => {
    assert.deepStrictEqual(manifest.exports, entries)
    assert.isAbove(modules.length, 20)
  })

  it("have one name each, and none that a module inside has too", () => {
    const allNames = all.map(nameOf)
    assert.strictEqual(new Set(allNames).size, allNames.length)
    assert.deepStrictEqual([...internal].filter((name) => !allNames.includes(name)), [])
  })

  it("lead to files that are packed", () => {
    const paths = Object.values<string | Record<string, string>>(manifest.exports)
      .flatMap((entry) => typeof entry === "string" ? [entry] : Object.values(entry))
    assert.deepStrictEqual(paths.filter((path) => !existsSync(join(installed, path))), [])
  })

  it("are all that can be imported", () => {
    const { resolve } = createRequire(join(project, "main.js"))
    for (const module of modules) {
      assert.strictEqual(resolve(`effect-dormouse/${nameOf(module)}`), join(installed, `dist/${module}.js`))
    }
    for (
      const path of [
        "",
        "/worker",
        "/Chat",
        "/services",
        "/services/Room",
        "/Room.js",
        ...Array.from(internal, (name) => `/${name}`),
        "/dist/services/Room.js",
        "/src/services/Room.ts"
      ]
    ) {
      assert.throws(() => resolve(`effect-dormouse${path}`), /"exports"/)
    }
  })

  it("come without a script that an installation would run", () => {
    const hooks = ["preinstall", "install", "postinstall", "prepublish", "preprepare", "prepare", "postprepare"]
    assert.deepStrictEqual(hooks.filter((hook) => hook in manifest.scripts), [])
  })

  it("please publint", async () => {
    const { buffer } = new Uint8Array(readFileSync(tarball))
    const { messages, pkg } = await publint({ pack: { tarball: buffer }, strict: true })
    assert.deepStrictEqual(messages.map((message) => formatMessage(message, pkg)), [])
  })

  it("resolve for every kind of import that takes ES modules", () => {
    const attw = join(root, "node_modules/.bin/attw")
    const { status, stdout } = spawnSync(attw, [tarball, "--profile", "esm-only", "--format", "ascii"], {
      encoding: "utf8"
    })
    assert.strictEqual(status, 0, stdout)
  })
})

describe("a project that installs it", () => {
  const compile = (program: string, options: object) => {
    const path = join(project, `tsconfig.${program}.json`)
    writeFileSync(
      path,
      JSON.stringify({
        compilerOptions: {
          module: "NodeNext",
          target: "ES2024",
          strict: true,
          exactOptionalPropertyTypes: true,
          noUncheckedIndexedAccess: true,
          skipLibCheck: false,
          allowImportingTsExtensions: true,
          rewriteRelativeImportExtensions: true,
          outDir: "out",
          ...options
        },
        files: [`${program}.ts`]
      })
    )
    const { stdout } = spawnSync(join(root, "node_modules/.bin/tsc"), ["-p", path, "--pretty", "false"], {
      cwd: project,
      encoding: "utf8"
    })
    // What `effect` and Cloudflare declare is theirs to mend.
    return stdout.split(/\n(?=\S)/).filter((line) =>
      line !== "" && !/^\S*node_modules\/(?!effect-dormouse\/)/.test(line)
    )
  }

  it.for(
    [
      ["worker", { lib: ["ES2024"], types: ["@cloudflare/workers-types"] }],
      ["memory", { lib: ["ES2024"], types: ["node"] }],
      ["page", { lib: ["ES2024", "DOM"], types: [] }],
      ["library", { lib: ["ES2024"], types: ["@cloudflare/workers-types"], declaration: true }]
    ] as const
  )("compiles its %s, library checks included", ([program, options]) => {
    assert.deepStrictEqual(compile(program, options), [])
    assert.isTrue(existsSync(join(project, `out/${program}.js`)))
  })

  it("compiles against every module", () => {
    const isOfNode = (module: string) => nameOf(module).startsWith("Node")
    for (
      const [program, imported, types] of [
        ["workers", modules.filter((module) => !isOfNode(module)), "@cloudflare/workers-types"],
        ["node", modules.filter((module) => isOfNode(module)), "node"]
      ] as const
    ) {
      writeFileSync(join(project, `${program}.ts`), importing(installedNames(imported)))
      assert.deepStrictEqual(compile(program, { lib: ["ES2024"], types: [types] }), [])
    }
  })

  it("writes declarations that name the public modules alone", () => {
    compile("library", { lib: ["ES2024"], types: ["@cloudflare/workers-types"], declaration: true })
    const declarations = readFileSync(join(project, "out/library.d.ts"), "utf8")
    const named = [...declarations.matchAll(/(?:from |import\()"([^".][^"]*)"/g)].map(([, module]) => module!)
    assert.deepStrictEqual(
      named.filter((module) => module.startsWith("effect-dormouse") && !installedNames(modules).includes(module)),
      []
    )
    assert.notInclude(declarations, "dist/")
  })

  it("finds no signature that needs a module inside, but for what an interface extends", () => {
    const inside = new RegExp(`\\b(?:${[...internal].join("|")})\\b(?!")`)
    for (const module of modules) {
      const signatures = readFileSync(join(installed, `dist/${module}.d.ts`), "utf8")
        .replace(/\/\*\*[\s\S]*?\*\//g, "")
        .split("\n")
        .filter((line) => !/^(?:import |\/\/#)/.test(line))
        .map((line) => line.replace(/^(export interface \w+.*?) extends .*/, "$1"))
      assert.deepStrictEqual(signatures.filter((line) => inside.test(line)), [], module)
    }
  })

  it("sees what is wrong in its own code", () => {
    writeFileSync(
      join(project, "wrong.ts"),
      "import * as Audience from \"effect-dormouse/Audience\"\nAudience.user(1)\n"
    )
    const [diagnostic, ...others] = compile("wrong", { lib: ["ES2024"], types: [] })
    assert.match(diagnostic!, /^wrong\.ts\(2,15\): error TS2345/)
    assert.deepStrictEqual(others, [])
  })

  it("runs its room in Node", () => {
    compile("memory", { lib: ["ES2024"], types: ["node"] })
    const stdout = execFileSync(process.execPath, [join(project, "out/memory.js")], { encoding: "utf8" })
    assert.deepStrictEqual(JSON.parse(stdout), [{ total: 2, people: 1 }, { total: 5, people: 1 }])
  })

  it("finds the sources of all that it runs", () => {
    const maps = globSync("dist/**/*.map", { cwd: installed }).map((path) => join(installed, path))
    assert.strictEqual(maps.length, 2 * globSync("dist/**/*.js", { cwd: installed }).length)
    for (const path of maps) {
      const { sources } = JSON.parse(readFileSync(path, "utf8"))
      assert.isAbove(sources.length, 0)
      for (const source of sources) assert.isTrue(existsSync(resolve(dirname(path), source)), `${path}: ${source}`)
    }
  })
})

describe("a bundle", () => {
  const bundle = async (program: string, directory = project) => {
    const { metafile, outputFiles } = await build({
      stdin: { contents: program, resolveDir: directory },
      absWorkingDir: directory,
      logLevel: "error",
      bundle: true,
      minify: true,
      format: "esm",
      target: "es2024",
      external: ["cloudflare:*", "node:*"],
      metafile: true,
      write: false
    })
    return {
      bytes: outputFiles[0]!.contents.length,
      ours: Object.keys(metafile.inputs).flatMap((path) => /effect-dormouse\/dist\/(.*)\.js$/.exec(path)?.[1] ?? [])
    }
  }

  it("of the domain has nothing else in it, and weighs what the domain weighs", async () => {
    const domain = modules.filter((module) => module.startsWith("domain/"))
    const { bytes, ours } = await bundle(importing(installedNames(domain)))
    assert.deepStrictEqual(ours.toSorted(), domain.toSorted())
    const sources = await bundle(importing(domain.map((module) => `./src/${module}.ts`)), root)
    assert.isAtMost(bytes, sources.bytes)
  })

  it("of one module has what that module needs", async () => {
    const { ours } = await bundle(importing(["effect-dormouse/CloseCode"]))
    assert.deepStrictEqual(ours.toSorted(), ["domain/CloseCode", "domain/Limits"])
  })

  it("of a room's definition brings no runtime along", async () => {
    const { ours } = await bundle(importing(["effect-dormouse/Room"]))
    assert.deepStrictEqual(ours.filter((module) => !/^(?:domain|services)\//.test(module)), [])
  })

  it("of imports that nothing uses is empty", async () => {
    const { bytes } = await bundle(names.map((name) => `import "effect-dormouse/${name}"`).join("\n"))
    assert.strictEqual(bytes, 0)
  })
})

describe("the reference", () => {
  const read = (path: string) => readFileSync(join(root, path), "utf8")

  it("in docs/API.md is what `npm run reference` writes", () => {
    assert.strictEqual(read("docs/API.md"), render())
  })

  it("has every export of every module", () => {
    const chapters = new Map(render().split("\n### ").slice(1).map((chapter) => [chapter.split("\n")[0], chapter]))
    assert.deepStrictEqual([...chapters.keys()].toSorted(), names)
    for (const module of modules) {
      for (
        const [, internal, name] of read(`src/${module}.ts`)
          .matchAll(/^( \* @internal\n \*\/\n)?export (?:abstract )?(?:const|class|function|interface|type) (\w+)/gm)
      ) {
        if (internal === undefined) assert.include(chapters.get(nameOf(module)), `\n#### ${name}: `)
        else assert.notInclude(chapters.get(nameOf(module)), `\n#### ${name}: `)
      }
    }
  })
})
