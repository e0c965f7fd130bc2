import { assert, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as Principal from "../../src/doors/Principal.ts"

const Principals = Schema.Struct({
  user: Schema.UndefinedOr(Schema.String),
  labels: Schema.Array(Schema.String),
  expiresAt: Schema.UndefinedOr(Schema.Finite),
  issuedAt: Schema.UndefinedOr(Schema.Finite),
  address: Schema.UndefinedOr(Schema.String)
})

it.prop(
  "what was verified reaches the room as claims, and is read there as it was (AU-9)",
  [Principals],
  ([{ address, ...principal }]) => {
    const claims = Principal.toClaims(principal, address)
    for (const value of Object.values(claims)) assert.isString(value)
    const positive = (time: number | undefined) => time === undefined ? undefined : time + 0
    assert.deepStrictEqual(Principal.fromClaims({ ...claims, color: "red" }), {
      ...principal,
      expiresAt: positive(principal.expiresAt),
      issuedAt: positive(principal.issuedAt),
      address,
      rooms: undefined
    })
  }
)

it("what nobody knows is no claim, and other claims are passed over (AU-9)", () => {
  assert.deepStrictEqual(Principal.toClaims(Principal.anonymous), {})
  assert.deepStrictEqual(Principal.fromClaims({ name: "Ada" }), { ...Principal.anonymous, address: undefined })
  assert.deepStrictEqual(
    Principal.toClaims({ ...Principal.anonymous, user: "ada", labels: ["a", "b"], expiresAt: 5 }, "192.0.2.1"),
    { user: "ada", labels: `["a","b"]`, expiresAt: "5", address: "192.0.2.1" }
  )
})

it("claims of another form let nobody in (AU-9)", () => {
  for (
    const claims of [{ expiresAt: "soon" }, { expiresAt: "Infinity" }, { issuedAt: "x" }, { labels: "admin" }, {
      labels: "[1]"
    }]
  ) {
    assert.throws(() => Principal.fromClaims(claims), undefined, undefined, JSON.stringify(claims))
  }
})

it("rooms are names, or beginnings of names (PM-1)", () => {
  const mayEnter = (rooms: ReadonlyArray<string> | undefined, room: string) => Principal.mayEnter({ rooms }, room)
  assert.isTrue(mayEnter(undefined, "tea"))
  assert.isFalse(mayEnter([], "tea"))
  assert.isTrue(mayEnter(["coffee", "tea"], "tea"))
  assert.isFalse(mayEnter(["tea"], "teapot"))
  assert.isFalse(mayEnter(["tea"], "Tea"))
  assert.isTrue(mayEnter(["team-*"], "team-red"))
  assert.isTrue(mayEnter(["team-*"], "team-"))
  assert.isFalse(mayEnter(["team-*"], "team"))
  assert.isFalse(mayEnter(["team-*"], "my-team-red"))
  assert.isTrue(mayEnter(["*"], "tea"))
  assert.isFalse(mayEnter(["t*a", "", "."], "tea"))
})

it("what never ends has no time at which it does (AU-9)", () => {
  const claims = Principal.toClaims({ ...Principal.anonymous, expiresAt: Infinity })
  assert.isUndefined(Principal.fromClaims(claims).expiresAt)
})
