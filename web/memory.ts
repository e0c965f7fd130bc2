/**
 * What a browser keeps: who one is, and, for a tab, its stays in rooms. Storage may be forbidden or full; the page works
 * without.
 */
import type { Entry } from "./conversation.ts"

/** What is left of a stay. */
export interface Kept {
  readonly room: string
  readonly name: string
  readonly entries: ReadonlyArray<Entry>
  /** What has not left, in order. */
  readonly waiting: ReadonlyArray<string>
  /** What has left, and of which nobody knows whether it has arrived. */
  readonly doubtful: ReadonlyArray<string>
  readonly draft: string
}

const slot = "dormouse.stays"

const attempt = <A>(run: () => A): A | undefined => {
  try {
    return run()
  } catch {
    return undefined
  }
}

export const get = (key: "name" | "room") => attempt(() => localStorage.getItem(`dormouse.${key}`)) ?? ""

export const set = (key: "name" | "room", value: string) =>
  attempt(() => localStorage.setItem(`dormouse.${key}`, value))

const isKept = ({ doubtful, draft, entries, name, room, waiting }: Kept) =>
  [room, name, draft].every((text) => typeof text === "string") &&
  [entries, waiting, doubtful].every((list) => Array.isArray(list))

const take = (): ReadonlyArray<Kept> => {
  // SAFETY: an older page may have written it, so its shape is looked at.
  const kept = attempt(() => (JSON.parse(sessionStorage.getItem(slot) ?? "[]") as ReadonlyArray<Kept>).filter(isKept))
  attempt(() => sessionStorage.removeItem(slot))
  return kept ?? []
}

// The last one first. While a page lives they stand in no storage: a copy of the tab would send again what waits.
let stays = take()

const isOf = ({ name, room }: Pick<Kept, "room" | "name">) => (kept: Kept) => kept.room === room && kept.name === name

/** Takes what was kept of a stay. */
export const recall = (stay: Pick<Kept, "room" | "name">): Kept | undefined => {
  const found = stays.find(isOf(stay))
  stays = stays.filter((kept) => kept !== found)
  return found
}

/** Keeps what is left of a stay, for when one is there again. */
export const keep = (kept: Kept) => {
  recall(kept)
  stays = [kept, ...stays]
}

/** The stays in which something was typed that the room may not know. */
export const unfinished = (): ReadonlyArray<Kept> =>
  stays.filter(({ doubtful, draft, waiting }) => waiting.length + doubtful.length > 0 || draft.trim() !== "")

const gone: Entry = { _tag: "Note", parts: ["What was said before is gone: the browser has no room for it."] }

const newest = (share: number) => (kept: Kept): Kept => {
  const { length } = kept.entries
  if (share === 1 || length === 0) return kept
  return { ...kept, entries: [gone, ...kept.entries.slice(length - Math.floor(length * share))] }
}

/** Keeps everything for the next page of this tab. Where that is too much, what was said goes first, the oldest before. */
export const store = () => {
  const isStored = (share: number) =>
    attempt(() => {
      sessionStorage.setItem(slot, JSON.stringify(stays.map(newest(share))))
      return true
    })
  for (let share = 1; !isStored(share) && share > 0.001; share /= 2);
}
