/**
 * Operators for what Stryker's own leave alone. It has no way to add any, so they go where it keeps them; its version
 * is pinned.
 */
import type { babel } from "@stryker-mutator/core"

type Node = babel.NodePath["node"]

interface Operator {
  readonly name: string
  readonly mutate: (path: babel.NodePath) => Iterable<Node>
}

const operators: ReadonlyArray<Operator> = [
  {
    // Stryker drops a statement that is a call. In a generator of Effect's, that is one that yields.
    name: "YieldStatement",
    *mutate({ node }) {
      if (node.type === "ExpressionStatement" && node.expression.type === "YieldExpression") {
        yield { type: "EmptyStatement" } as Node
      }
    }
  },
  {
    // Stryker drops `sort` and `reverse`, and not yet those that copy.
    name: "CopyingMethod",
    *mutate({ node }) {
      if (
        node.type === "CallExpression" && node.callee.type === "MemberExpression" &&
        node.callee.property.type === "Identifier" && /^to(?:Sorted|Reversed)$/.test(node.callee.property.name)
      ) yield structuredClone(node.callee.object)
    }
  }
]

export const addOperators = async (): Promise<void> => {
  const instrumenter = import.meta.resolve("@stryker-mutator/instrumenter")
  const { allMutators }: { readonly allMutators: Array<Operator> } = await import(
    new URL("mutators/mutate.js", instrumenter).href
  )
  allMutators.push(...operators)
}
