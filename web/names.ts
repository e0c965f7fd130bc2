/**
 * What a person and a room may be called, and what a message may be.
 */
import * as RoomName from "../src/domain/RoomName.ts"

/** What people count as one: an emoji is not two. */
const characters = (text: string) => [...text].length

const canBeSeen = (text: string) => /[^\p{Cc}\p{Cf}\p{Cs}\p{Z}\p{Default_Ignorable_Code_Point}\u2800]/u.test(text)

/** What somebody has typed, and where nothing of it can be seen, that. */
export const visible = (text: string) => canBeSeen(text) ? text : "(invisible)"

// To each of them the page says “You” of oneself. It is heard the same with whatever is no letter and no digit.
const isYou = (name: string) => name.normalize("NFKC").replaceAll(/[^\p{L}\p{N}]/gu, "").toLowerCase() === "you"

/** The name of another: nobody else is shown as oneself. */
export const another = (name: string) => isYou(name) ? "“You” (somebody else)" : name

/** What stands for a name: its first character that can be seen. */
export const initial = (name: string) => [...name].find(canBeSeen)?.toUpperCase() ?? "?"

export const nameProblem = (name: string) =>
  name === ""
    ? "Tell the others what to call you."
    : !canBeSeen(name)
    ? "Nobody can see this name."
    : isYou(name)
    ? "Everybody is “You” to themselves. Take another name."
    : characters(name) > 64
    ? "A name has at most 64 characters."
    : ""

export const roomProblem = (room: string) =>
  room === ""
    ? "Which room?"
    // The path segments `.` and `..` would lead a URL elsewhere.
    : RoomName.is(room) && !/^\.{1,2}$/.test(room)
    ? ""
    : "A room’s name has 1 to 128 letters A–Z, digits or the characters . _ ~ -"

export const textProblem = (text: string) => {
  const length = characters(text)
  return length > 4_096 ? `A message has at most 4096 characters; this one has ${length}.` : ""
}

/** One person keeps one colour, in every tab. The golden angle keeps the colours of similar names apart. */
export const hue = (name: string) => {
  let hash = 0
  for (const character of name) hash = (hash * 31 + character.codePointAt(0)!) % 65_521
  return String(Math.round(hash * 137.508) % 360)
}
