/**
 * The room that the deployed Worker serves: a chat in which everybody has a name. Its clients have this definition, too.
 */
import * as Schema from "effect/Schema"
import * as ConnectionId from "./domain/ConnectionId.ts"
import * as Room from "./services/Room.ts"

// A character is a code point. An emoji is one character, though it is stored as two UTF-16 units.
/** Whether a text has so many characters. */
export const characters = (least: number, most: number) =>
  Schema.makeFilter((text: string) => {
    if (text.length <= most) return text.length >= least ? undefined : `at least ${least} character`
    return text.length <= 2 * most && [...text].length <= most ? undefined : `at most ${most} characters`
  })

/** A client speaks. */
export class Say extends Schema.TaggedClass<Say>()("Say", {
  text: Schema.String.check(characters(1, 4_096))
}) {}

/** The newcomer is told who it is. */
export class Welcome extends Schema.TaggedClass<Welcome>()("Welcome", {
  connection: ConnectionId.ConnectionId,
  name: Schema.String,
  connections: Schema.Int
}) {}

/** The others are told of a newcomer. */
export class Joined extends Schema.TaggedClass<Joined>()("Joined", {
  connection: ConnectionId.ConnectionId,
  name: Schema.String,
  connections: Schema.Int
}) {}

/** Everybody is told what somebody said. */
export class Said extends Schema.TaggedClass<Said>()("Said", {
  connection: ConnectionId.ConnectionId,
  name: Schema.String,
  text: Schema.String
}) {}

/** Those who stay are told who left, and how. */
export class Left extends Schema.TaggedClass<Left>()("Left", {
  connection: ConnectionId.ConnectionId,
  name: Schema.String,
  connections: Schema.Int,
  code: Schema.Int,
  reason: Schema.String
}) {}

/** The chat's definition. `connections` always counts those that are open, without the one that leaves. */
export const Chat = Room.make("chat", {
  receive: Say,
  send: Schema.Union([Welcome, Joined, Said, Left]),
  state: Schema.Struct({ name: Schema.String })
})
