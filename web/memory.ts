/**
 * What a browser keeps: who one is, and, for a tab, its stays in rooms. Storage may be forbidden or full; the page works
 * without.
 *
 * A tab may be killed at any time. So what is not told yet is written whenever that changes, which is little; what was
 * said, only as the page leaves or is hidden. Who takes it up, `claim.ts` says.
 */
import * as Claim from "./claim.ts"
import type { Entry } from "./conversation.ts"

/** What one has typed in a stay, and the room may not know. */
export interface Unsaid {
  readonly room: string
  readonly name: string
  /** What has not left, in order. */
  readonly waiting: ReadonlyArray<string>
  /** What has left, and of which nobody knows whether it has arrived. */
  readonly doubtful: ReadonlyArray<string>
  readonly draft: string
}

type Stay = Pick<Unsaid, "room" | "name">

interface Said extends Stay {
  readonly entries: ReadonlyArray<Entry>
}

/** What is left of a stay. */
export interface Kept extends Unsaid, Said {}

export const get = (key: "name" | "room") => Claim.attempt(() => localStorage.getItem(`dormouse.${key}`)) ?? ""

export const set = (key: "name" | "room", value: string) =>
  Claim.attempt(() => localStorage.setItem(`dormouse.${key}`, value))

type Slot = "page" | "said" | "unsaid"

const read = (slot: Slot) => Claim.attempt(() => sessionStorage.getItem(`dormouse.${slot}`)) ?? ""

const remove = (slot: Slot) => Claim.attempt(() => sessionStorage.removeItem(`dormouse.${slot}`))

const isWritten = (slot: Slot, text: string) =>
  Claim.attempt(() => {
    sessionStorage.setItem(`dormouse.${slot}`, text)
    return true
  }) ?? false

const list = <A>(slot: Slot, isOne: (value: A) => boolean): ReadonlyArray<A> =>
  // SAFETY: another version of the page may have written it, so the shape of each is looked at.
  Claim.attempt(() =>
    (JSON.parse(read(slot)) as ReadonlyArray<A>).filter((value) => Claim.attempt(() => isOne(value)) === true)
  ) ?? []

const isText = (value: unknown) => typeof value === "string"

const isEntry = (entry: Entry): boolean =>
  entry._tag === "Said"
    ? [entry.from, entry.name, entry.text].every(isText) && !Number.isNaN(new Date(entry.at).valueOf())
    : entry._tag === "Note" && entry.parts.every((part) => isText(typeof part === "string" ? part : part.who))

const isSaid = ({ entries, name, room }: Said) => [room, name].every(isText) && entries.every(isEntry)

const isUnsaid = ({ doubtful, draft, name, room, waiting }: Unsaid) =>
  [room, name, draft, ...waiting, ...doubtful].every(isText)

const isOf = ({ name, room }: Stay) => (other: Stay) => other.room === room && other.name === name

const restore = async (): Promise<ReadonlyArray<Kept>> => {
  const said = list("said", isSaid)
  const unsaid = await Claim.isMine(read("page")) ? list("unsaid", isUnsaid) : []
  return [
    ...unsaid.map((stay): Kept => ({ ...stay, entries: said.find(isOf(stay))?.entries ?? [] })),
    ...said.filter((stay) => !unsaid.some(isOf(stay))).map((stay): Kept => ({
      waiting: [],
      doubtful: [],
      draft: "",
      ...stay
    }))
  ]
}

// The last one first.
let stays = await restore()

const self = Claim.living()

/** Takes what was kept of a stay. */
export const recall = (stay: Stay): Kept | undefined => {
  const found = stays.find(isOf(stay))
  stays = stays.filter((kept) => kept !== found)
  return found
}

/** Keeps what is left of a stay, for when one is there again. */
export const keep = (kept: Kept) => {
  recall(kept)
  stays = [kept, ...stays]
}

const isUnfinished = ({ doubtful, draft, waiting }: Unsaid) =>
  waiting.length + doubtful.length > 0 || draft.trim() !== ""

/** The stays in which something was typed that the room may not know. */
export const unfinished = (): ReadonlyArray<Kept> => stays.filter(isUnfinished)

/** Writes what is not told yet, also in the stay that lasts. Says whether the browser keeps it. */
export const saveUnsaid = (lasting?: Unsaid, by = self): boolean => {
  const unsaid = [...(lasting === undefined ? [] : [lasting]), ...stays].filter(isUnfinished).map(
    ({ doubtful, draft, name, room, waiting }): Unsaid => ({ room, name, waiting, doubtful, draft })
  )
  if (unsaid.length === 0) {
    by.forget()
    remove("unsaid")
    return true
  }
  const write = () => isWritten("page", by.next()) && isWritten("unsaid", JSON.stringify(unsaid)) && by.publish()
  if (write()) return true
  // What was said goes first.
  remove("said")
  if (write()) return true
  // What stands there may have been told since.
  by.forget()
  remove("unsaid")
  return false
}

const gone: Entry = { _tag: "Note", parts: ["What was said before is gone: the browser has no room for it."] }

const newest = (share: number) => ({ entries, name, room }: Said): Said => {
  const { length } = entries
  if (share === 1 || length === 0) return { room, name, entries }
  return { room, name, entries: [gone, ...entries.slice(length - Math.floor(length * share))] }
}

/** Writes everything. Where that is too much, what was said goes first, the oldest before. */
export const save = (lasting?: Kept, by = self) => {
  saveUnsaid(lasting, by)
  const all = lasting === undefined ? stays : [lasting, ...stays]
  for (let share = 1; !isWritten("said", JSON.stringify(all.map(newest(share)))) && share > 0.001; share /= 2);
}

/** Leaves everything to the next page of this tab. */
export const leave = (lasting?: Kept) => {
  self.forget()
  save(lasting, Claim.leaving())
}

// From now on it is this page's, also where nobody joins a room.
saveUnsaid()
