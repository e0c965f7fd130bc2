/**
 * Writes docs/API.md: the comments and the signatures of every module that has an entry. Needs a build.
 *
 *     npm run reference
 *
 * TypeScript 7 has no API to ask. So the signatures are the compiler's own, in the declarations that it wrote; dprint
 * formats them, and then every declaration begins in the first column and all that belongs to it is indented.
 */
import { execFileSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { fileURLToPath } from "node:url"
import { all, internal, modules, nameOf } from "./exports.ts"

const root = new URL("../", import.meta.url)
const read = (path: string) => readFileSync(new URL(path, root), "utf8")

const document = new URL("docs/API.md", root)

/** What docs/API.md is to say. */
export const render = (): string => {
  const folders = [...Map.groupBy(modules, folderOf)]
    .toSorted(([one], [other]) => order.indexOf(one) - order.indexOf(other))
  const declarations = format(new Map(modules.map((module) => [module, declarationsOf(module)])))
  const contents = modules.map((module) =>
    `| [\`${nameOf(module)}\`](#${nameOf(module).toLowerCase()}) | ${firstSentence(commentOf(module))} |`
  )
  const chapters = folders.flatMap(([folder, modules]) => [
    `## ${folder}`,
    ...modules.flatMap((module) => [
      `### ${nameOf(module)}`,
      fence(`import * as ${nameOf(module)} from "effect-dormouse/${nameOf(module)}"`),
      commentOf(module),
      ...entriesOf(declarations.get(module)!)
    ])
  ])
  return [
    "# API",
    "What each module exports. `npm run reference` writes this from the sources, and a test demands that it was run.",
    ["| module | |", "|---|---|", ...contents].join("\n"),
    ...chapters
  ].join("\n\n").concat("\n")
}

const folderOf = (module: string) => module.slice(0, module.indexOf("/"))

/** From what a user begins with to what few need. A folder that is not here comes first, and is to be put here. */
const order = ["services", "durable", "client", "memory", "domain", "http", "rpc", "listeners"]

const firstSentence = (text: string) => /^[\s\S]*?\.(?=\s|$)/.exec(text)?.[0].replaceAll("\n", " ") ?? ""

// A signature is no program that could be run, so it is not marked as one of the examples.
const fence = (code: string) => {
  const ticks = code.includes("```") ? "````" : "```"
  return `${ticks}typescript\n${code}\n${ticks}`
}

const comment = /^\/\*\*([\s\S]*?)\*\/\n/

const text = (comment: string) => comment.replace(/\n *\* ?/g, "\n").replace(/\{@link (\w+)\}/g, "`$1`").trim()

// The compiler drops it together with an import that the declarations do not need.
const commentOf = (module: string) => text(comment.exec(read(`src/${module}.ts`))?.[1] ?? "")

/** The declarations of a module, with its services and errors written as they are in the source. */
const declarationsOf = (module: string) => {
  let code = read(`dist/${module}.d.ts`).replace(/^(?:import .*|export \{\};|\/\/# .*| *#private;)\n?/gm, "")
    .replace(/import\("[^"]*?(\w+)"\)/g, "$1")
  if (commentOf(module) === text(comment.exec(code)?.[1] ?? "")) code = code.replace(comment, "")
  for (const [declaration, name, type] of code.matchAll(/^declare const (\w+)_base: ([\s\S]*?);\n(?=[a-z/])/gm)) {
    const [, key, shape] = /^Context\.ServiceClass<\w+, ("[^"]*"), ([\s\S]*)>$/.exec(type!) ?? []
    const [, tag, fields] = /^Schema\.Class<\w+, Schema\.TaggedStruct<("\w+"), ([\s\S]*)>, Cause\.YieldableError>$/
      .exec(type!) ?? []
    const base = fields !== undefined
      ? `Schema.TaggedError<${tag}, ${fields}>`
      : shape !== undefined
      ? `Context.Service<${name}, ${shape}>()(${key})`
      : type!.includes(`YieldableError & {\n    readonly _tag: "${name}";\n} & Readonly<A>`)
      ? `Data.TaggedError("${name}")`
      : type!
    code = code.replace(declaration, "")
    // The shape of a service is also what its `make` succeeds with.
    if (shape?.startsWith("{")) code = code.replaceAll(shape, `${name}["Service"]`)
    code = code.replaceAll(`${name}_base`, () => base)
  }
  return code.replace(
    /^(export interface \w+ )extends (\w+)\.(\w+) \{/gm,
    (whole, start, module, name) => internal.has(module) ? `${start}${membersOf(module, name)}` : whole
  )
}

// Nobody can look up an interface of a module that has no chapter.
const membersOf = (module: string, name: string) => {
  const code = read(`dist/${all.find((path) => nameOf(path) === module)}.d.ts`)
  return new RegExp(`^export interface ${name} ((?:extends .* )?\\{[\\s\\S]*?)^\\}`, "m").exec(code)![1]
}

// All in one go: a formatter takes longer to start than to format.
const format = (declarations: ReadonlyMap<string, string>): ReadonlyMap<string, string> => {
  const code = [...declarations].map(([module, code]) => `// module ${module}\n${code}`).join("\n")
  const formatted = execFileSync(
    fileURLToPath(new URL("node_modules/dprint/dprint", root)),
    ["fmt", "--stdin", "declarations.ts"],
    { cwd: root, input: code, encoding: "utf8" }
  )
  return new Map(
    formatted.split(/^\/\/ module (?=\S+$)/m).slice(1).map((part) => {
      const end = part.indexOf("\n")
      return [part.slice(0, end), part.slice(end)]
    })
  )
}

const entriesOf = (code: string): ReadonlyArray<string> =>
  code.split(/^(?=\/\*\*|export |declare |interface |type )/m)
    .map((part) => part.trim())
    .filter((part) => part !== "")
    // A comment and what follows it are one.
    .reduce<Array<string>>((parts, part) => {
      if (parts.at(-1)?.endsWith("*/") === true) parts.push(`${parts.pop()}\n${part}`)
      else parts.push(part)
      return parts
    }, [])
    .flatMap((part) => {
      const [, modifier, kind, name, rest] =
        /^(export )?(?:declare )?(?:abstract )?(const|class|interface|type|function) (\w+)([\s\S]*)/
          .exec(part.replace(comment, ""))!
      // What a type is inferred from is no part of it; the compiler writes its members in another order each time.
      if (modifier === undefined && kind === "const") return []
      return [
        `#### ${name}: ${kindOf(kind!, rest!)}${modifier === undefined ? ", not exported" : ""}`,
        fence(`${kind} ${name}${rest}`.replace(/ ?\n?\{\n\}$/, " {}")),
        text(comment.exec(part)?.[1] ?? "")
      ].filter((line) => line !== "")
    })

const kindOf = (kind: string, rest: string) => {
  if (kind === "const") return /^: (?:\{\s*(?:\/\*\*[\s\S]*?\*\/\s*)?)?[<(]/.test(rest) ? "function" : "value"
  if (kind !== "class") return kind
  return /^\s+extends Context\.Service</.test(rest)
    ? "service"
    : /^\s+extends (?:Data\.TaggedError\(|Schema\.TaggedError<)/.test(rest)
    ? "error"
    : kind
}

if (import.meta.main) writeFileSync(document, render())
