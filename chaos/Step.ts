/**
 * What may happen to a room, as data: a step says who and what by numbers, and a run says which connection or which key
 * that is. So every part of a sequence of steps is a sequence of steps, too.
 */
import * as Arbitrary from "effect/Arbitrary"
import * as Schema from "effect/Schema"

/** A token. */
export interface Pass {
  readonly user: number
  /** Long ago, now, or later than the clocks of two servers may differ. */
  readonly issued: "long ago" | "now" | "later"
  readonly lasts: number | undefined
}

/** A step that clients or callers take. */
export type Action =
  | { readonly _tag: "Look" }
  | { readonly _tag: "Speak"; readonly who: number }
  | { readonly _tag: "Write"; readonly rows: number; readonly fails: boolean }
  | { readonly _tag: "Connect"; readonly lingers: number; readonly pass: Pass | undefined }
  | { readonly _tag: "Refresh"; readonly who: number; readonly pass: Pass; readonly isOwn: boolean }
  | { readonly _tag: "CloseOut"; readonly user: number }
  /** Messages at once. The handler of the first one takes its time. */
  | { readonly _tag: "Flood"; readonly who: number; readonly count: number; readonly takes: number }
  | { readonly _tag: "Stall"; readonly who: number }
  | { readonly _tag: "Shout"; readonly times: number }
  | { readonly _tag: "Leave"; readonly who: number; readonly code: number | undefined }
  | { readonly _tag: "Kick"; readonly who: number; readonly code: number }
  | { readonly _tag: "Vanish"; readonly who: number }
  | { readonly _tag: "Cancel"; readonly key: number }
  | {
    readonly _tag: "Set"
    readonly key: number
    readonly after: number
    readonly takes: number
    readonly fails: number
    /** The connection that it belongs to. */
    readonly who: number | undefined
  }

/** A step. Times are in the ticks of the world. */
export type Step =
  | Action
  | { readonly _tag: "Wait"; readonly ticks: number }
  | { readonly _tag: "Evict" }
  | { readonly _tag: "Abort" }
  | { readonly _tag: "Kill"; readonly during: Action | undefined; readonly moments: number }

const below = (end: number) => Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: end - 1 })))

const oneOf = <A>(values: ReadonlyArray<A>): Arbitrary.Arbitrary<A> =>
  Arbitrary.map(below(values.length), (index) => values[index]!)

// How often each kind comes is how often it stands here. Unlike integers, literals prefer none of them.
const among = <A>(kinds: ReadonlyArray<readonly [weight: number, kind: Arbitrary.Arbitrary<A>]>) => {
  const all = kinds.flatMap(([weight, kind]) => Array.from({ length: weight }, () => kind))
  const indices = Schema.Literals(all.map((_, index) => index))
  return Arbitrary.flatMap(Arbitrary.schema(indices), (index) => all[index]!)
}

const who = below(6)

const user = below(2)

const pass: Arbitrary.Arbitrary<Pass> = Arbitrary.all({
  user,
  issued: oneOf<Pass["issued"]>(["now", "now", "now", "later", "long ago"]),
  lasts: oneOf([undefined, 12, 12, 30, 60, 0])
})

type Of<Tag extends Step["_tag"]> = Extract<Step, { readonly _tag: Tag }>

const step = <const Tag extends Step["_tag"]>(
  tag: Tag,
  fields: { readonly [K in Exclude<keyof Of<Tag>, "_tag">]: Arbitrary.Arbitrary<Of<Tag>[K]> }
): Arbitrary.Arbitrary<Of<Tag>> =>
  // SAFETY: the fields are those of a step of this tag.
  Arbitrary.map(Arbitrary.all(fields), (values) => ({ _tag: tag, ...values }) as unknown as Of<Tag>)

const actions = (failures: ReadonlyArray<number>): ReadonlyArray<readonly [number, Arbitrary.Arbitrary<Action>]> => [
  [2, step("Look", {})],
  [4, step("Speak", { who })],
  [3, step("Write", { rows: oneOf([1, 2, 3]), fails: oneOf([false, false, false, true]) })],
  [3, step("Connect", { lingers: oneOf([0, 0, 4, 40]), pass: Arbitrary.map(below(1), () => undefined) })],
  [3, step("Connect", { lingers: oneOf([0, 0, 4, 40]), pass })],
  [2, step("Refresh", { who, pass, isOwn: oneOf([true, true, true, false]) })],
  [1, step("CloseOut", { user })],
  [2, step("Flood", { who, count: oneOf([6, 16, 22, 30]), takes: oneOf([0, 12]) })],
  [2, step("Stall", { who })],
  [3, step("Shout", { times: oneOf([1, 1, 3]) })],
  [1, step("Leave", { who, code: oneOf([undefined, 1000, 4001, 4321]) })],
  [1, step("Kick", { who, code: oneOf([1000, 4500]) })],
  [1, step("Vanish", { who })],
  [2, step("Cancel", { key: below(8) })],
  [
    7,
    step("Set", {
      key: below(8),
      after: below(60),
      takes: oneOf([0, 0, 0, 0, 2, 12]),
      fails: oneOf(failures),
      who: Arbitrary.map(below(9), (n) => n < 6 ? undefined : n - 6)
    })
  ]
]

// Steps, of which deadlines fail as often as one of the numbers says.
const arbitrary = (failures: ReadonlyArray<number>): Arbitrary.Arbitrary<Step> => {
  const all = actions(failures)
  return among<Step>([
    ...all,
    [4, step("Wait", { ticks: Arbitrary.map(below(40), (ticks) => ticks + 1) })],
    [4, step("Evict", {})],
    [1, step("Abort", {})],
    [1, step("Kill", { during: Arbitrary.map(below(1), () => undefined), moments: below(1) })],
    [1, step("Kill", { during: among(all), moments: below(8) })]
  ])
}

/** Up to 150 steps; five parts, so that a sequence is seldom very short. */
export const sequences = (failures: ReadonlyArray<number>): Arbitrary.Arbitrary<ReadonlyArray<Step>> => {
  const part = Arbitrary.array(arbitrary(failures), { maxLength: 30 })
  return Arbitrary.map(Arbitrary.all([part, part, part, part, part]), (parts) => parts.flat())
}
