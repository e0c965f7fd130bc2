/**
 * What a browser keeps: who one is, and, for a tab, what was said in it. Storage may be forbidden or full; the page works
 * without.
 */
import type { Entry } from "./conversation.ts"

/** What a reload must not lose. */
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

export const keep = (kept: Kept) => attempt(() => sessionStorage.setItem("dormouse.stay", JSON.stringify(kept)))

export const forget = () => attempt(() => sessionStorage.removeItem("dormouse.stay"))

/** What was kept of a stay, unless it was another one. */
export const recall = (room: string, name: string): Kept | undefined => {
  // SAFETY: this page has written it.
  const kept = attempt(() => JSON.parse(sessionStorage.getItem("dormouse.stay") ?? "null") as Kept | null)
  return kept?.room === room && kept.name === name ? kept : undefined
}
