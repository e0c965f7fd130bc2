/**
 * What is said in a room, and what is said of it, in order. Below it stands what one has typed and the room has not
 * told yet.
 */
import { element, follow, make as create, scrolls, time } from "./dom.ts"
import { another, hue, initial, visible } from "./names.ts"

/** A remark of the page; `who` are the parts of it that people have typed. */
export interface Note {
  readonly _tag: "Note"
  readonly isError?: boolean
  readonly parts: ReadonlyArray<string | { readonly who: string }>
}

export interface Said {
  readonly _tag: "Said"
  /** Of whom: the connection, or nobody's for one's own. */
  readonly from: string
  readonly name: string
  readonly text: string
  readonly at: number
}

export type Entry = Note | Said

/** What one has typed: without a connection it waits, then it is sent, and at last the room has handled it. */
export type Fate = "waiting" | "sending" | "sent"

export interface Mine {
  readonly text: string
  readonly fate: () => Fate
  readonly become: (fate: Fate) => void
  /** The room has told it: it takes its place in the conversation. */
  readonly settle: () => void
  readonly remove: () => void
}

const kept = 500

// Who goes on speaking after that is shown with the time again.
const pause = 300_000

/** One's own, on whichever connection. */
export const myself = ""

// Whichever way it is written, it turns nothing but itself.
const isolated = (text: string, className = "") => create("bdi", className, visible(text))

// Whoever listens hears first whose words follow: “You” alone are one's own, and no name begins an entry.
const heard = (text: string) => create("span", "unseen", text)

// Without a look at the layout: more than a screen of a phone, or nearly.
const isHigh = (text: string) => text.length > 500 || text.split("\n", 17).length > 16

const words: Readonly<Record<Fate, string>> = { waiting: "waiting", sending: "sending…", sent: "sent" }

export const make = () => {
  const [log, entries, typed, latest] = [element("log"), element("entries"), element("typed"), element("latest")]
  const { append, toEnd } = follow(log, latest, kept)
  const told: Array<Entry> = []

  const record = (entry: Entry) => {
    if (told.push(entry) > kept) told.shift()
  }

  const said = ({ at, from, name, text }: Said) => {
    const isMine = from === myself
    const entry = create("li", isMine ? "said mine" : "said")
    entry.dataset.from = from
    entry.dataset.at = String(at)
    entry.style.setProperty("--hue", hue(name))
    const who = isMine ? [isolated("You", "who")] : [heard("From "), isolated(another(name), "who")]
    const meta = create("p", "meta", ...who, " ", time(at))
    const avatar = create("span", "avatar", initial(name))
    avatar.ariaHidden = "true"
    const shown = visible(text)
    const what = create("p", "text", shown)
    what.dir = "auto"
    if (isHigh(shown)) scrolls(what)
    entry.append(avatar, create("div", "bubble", meta, what))
    return { entry, meta }
  }

  // As it stands below another.
  const below = (previous: Element | null, entry: HTMLElement) => {
    const continues = entry.dataset.from !== undefined && previous instanceof HTMLElement &&
      previous.dataset.from === entry.dataset.from && Number(entry.dataset.at) - Number(previous.dataset.at) < pause
    if (continues) entry.classList.add("continued")
    // Who goes on need not be named again. Of one's own it is said whether it was sent.
    if (continues && entry.dataset.from !== myself) entry.querySelector(".meta")?.classList.add("unseen")
    return entry
  }

  const tell = (entry: HTMLElement, isMine = false) => append(entries, below(entries.lastElementChild, entry), isMine)

  const show = (entry: Entry) => {
    if (entry._tag === "Said") return said(entry).entry
    const parts = entry.parts.map((part) => typeof part === "string" ? part : create("strong", "", isolated(part.who)))
    return create("li", entry.isError === true ? "note error" : "note", heard("Note: "), ...parts)
  }

  const add = (entry: Entry) => {
    record(entry)
    tell(show(entry))
  }

  return {
    add,
    note: (...parts: Note["parts"]) => add({ _tag: "Note", parts }),
    error: (...parts: Note["parts"]) => add({ _tag: "Note", isError: true, parts }),
    toEnd,
    told: (): ReadonlyArray<Entry> => told,
    /** Begins anew, with what was told before. */
    restore: (before: ReadonlyArray<Entry>) => {
      told.length = 0
      entries.replaceChildren()
      typed.replaceChildren()
      latest.hidden = true
      // At once: a browser that lays out each of them takes seconds.
      const all = document.createDocumentFragment()
      for (const entry of before) {
        record(entry)
        all.append(below(all.lastElementChild, show(entry)))
      }
      append(entries, all, true)
    },
    /** What one has typed stands below the conversation, until the room has told it. */
    type: (name: string, text: string, first: Fate): Mine => {
      const typedNow: Said = { _tag: "Said", from: myself, name, text, at: Date.now() }
      const { entry, meta } = said(typedNow)
      const shown = create("span", "fate")
      meta.append(" ", shown)
      let now = first
      const become = (fate: Fate) => {
        now = fate
        shown.textContent = words[fate]
        entry.dataset.fate = fate
      }
      become(first)
      append(typed, entry, true)
      return {
        text,
        fate: () => now,
        become,
        settle: () => {
          become("sent")
          record(typedNow)
          tell(entry)
        },
        remove: () => entry.remove()
      }
    }
  }
}

export type Conversation = ReturnType<typeof make>
