import { assert, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as ConnectionId from "../../src/domain/ConnectionId.ts"
import * as Identity from "../../src/domain/Identity.ts"
import * as Limits from "../../src/domain/Limits.ts"

const id = ConnectionId.ConnectionId.make("0b0f6e3a-9f57-4c3a-8a55-2f3f6c3c9a10")

const Texts = Schema.Array(Schema.String.check(Schema.isMaxLength(40))).check(Schema.isMaxLength(7))

it.prop(
  "an identity is read back from its tags as it was, whatever the user and the labels are called (ID-2, ID-3)",
  { user: Schema.UndefinedOr(Schema.String.check(Schema.isMaxLength(40))), labels: Texts },
  ({ labels, user }) => {
    const identity = { id, user, labels: [...new Set(labels)], protocol: "plain" }
    const tags = Result.getOrThrow(Identity.toTags(identity))
    assert.isAtMost(tags.length, Limits.tagsPerSocket)
    assert.deepStrictEqual(Identity.fromTags(tags), identity)
  }
)

it.prop(
  "no user and no label can pass for a connection, another user or a protocol (ID-3)",
  { text: Schema.String },
  ({ text }) => {
    const victim = [Identity.connectionTag(id), Identity.userTag(text), "p:plain"]
    assert.notInclude(victim, Identity.labelTag(text))
    assert.notInclude([Identity.connectionTag(id), Identity.labelTag(text)], Identity.userTag(text))
  }
)

it("tags that do not name one connection and one protocol are no identity (ID-4)", () => {
  const [c, p] = [Identity.connectionTag(id), "p:plain"]
  assert.isDefined(Identity.fromTags([p, "somebody else's", c]))
  for (
    const tags of [[], [c], [p], [c, c, p], [c, p, p], [c, p, "u:a", "u:b"], ["c:", p], ["c:admin", p], [`${c} `, p]]
  ) {
    assert.isUndefined(Identity.fromTags(tags), tags.join())
  }
})

it("ten tags fit and eleven do not; 256 bytes fit and 257 do not (ID-5)", () => {
  const toTags = (user: string | undefined, labels: ReadonlyArray<string>) =>
    Identity.toTags({ id, user, labels, protocol: "plain" })
  const failure = (tags: ReturnType<typeof toTags>) => Result.isFailure(tags) ? tags.failure._tag : undefined
  assert.isUndefined(failure(toTags("ada", [..."abcdefg"])))
  assert.isUndefined(failure(toTags("ada", [..."abcdefgabcdefg"])), "repeated labels count once")
  assert.strictEqual(failure(toTags("ada", [..."abcdefgh"])), "TooManyTags")
  assert.isUndefined(failure(toTags("é".repeat(127), [])))
  assert.strictEqual(failure(toTags("é".repeat(127) + "e", [])), "TagTooLong")
})
