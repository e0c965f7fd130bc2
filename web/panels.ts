/**
 * The panels of the inspector's page that show how the room is: facts and tables.
 */
import type * as Inspection from "../src/inspector/Inspection.ts"
import { element, exactTime, make as create, once, scrolls, time } from "./dom.ts"
import type * as Look from "./look.ts"
import * as Looking from "./looking.ts"
import * as Rows from "./rows.ts"

const dated = new Intl.DateTimeFormat(undefined, {
  month: "short",
  day: "numeric",
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23"
})

/** A time of today, or one with its date: rooms outlive days. */
const when = (at: number) => new Date(at).toDateString() === new Date().toDateString() ? exactTime(at) : time(at, dated)

const cell = (...content: ReadonlyArray<string | Node>) => create("td", "", ...content)

const rowOf = (head: HTMLTableCellElement, ...cells: ReadonlyArray<Node>) => {
  head.scope = "row"
  return create("tr", "", head, ...cells)
}

const nothing = () => create("span", "none", "–")

/** What a client has chosen turns no writing but its own. */
const foreign = (text: string) => create("bdi", "", text)

const listOf = (texts: ReadonlyArray<string>) =>
  create("span", "fit", ...texts.flatMap((text, index) => [index === 0 ? "" : ", ", foreign(text)]))

/** What a room keeps. What is long scrolls. */
const kept = (text: string) => {
  const made = create("code", "body", Looking.legible(text))
  if (text.length > 160) scrolls(made)
  return made
}

const deadlineRow = ({ at, due, error, failures, key, name }: Inspection.Deadline) =>
  rowOf(
    create("th", "", name),
    cell(kept(key)),
    cell(when(due ?? at), due === undefined ? " (set aside)" : ""),
    failures === 0 ? cell("none") : cell(`${failures}: `, kept(error ?? ""))
  )

const wakesRow = ({ cause, count, last }: Looking.Woken) =>
  rowOf(
    create("th", "", Looking.words[cause]),
    cell(String(count)),
    cell(last === undefined ? nothing() : when(last))
  )

const underWay = ({ arriving, asking, leaving }: Inspection.Inspection["busy"]) =>
  arriving + asking + leaving === 0 ? "nothing" : `${arriving} arriving, ${asking} calls, ${leaving} leaving`

/** Makes what shows a room. What has not changed is not touched. */
export const make = (look: Look.Look) => {
  const [listed, report] = [element("listed"), element("report")]

  const button = (text: string, label: string, act: () => Promise<Look.Answer>) => {
    const made = create("button", "small", text)
    made.type = "button"
    made.ariaLabel = label
    made.addEventListener(
      "click",
      once(made, async () => {
        const answer = await act()
        report.textContent = "problem" in answer ? answer.problem : `${answer.value.closed} closed.`
        report.classList.toggle("problem", "problem" in answer)
      })
    )
    return made
  }

  const connectionRow = ({ id, labels, protocol, since, state, user, waiting }: Inspection.Connection) => {
    const brief = Looking.brief(id)
    const who = create(
      "th",
      "",
      user === undefined ? create("span", "none", "anonymous") : listOf([user]),
      " ",
      create("code", "", brief)
    )
    who.title = id
    who.tabIndex = -1
    const acts = create("div", "acts", button("Disconnect", `Disconnect ${brief}`, () => look.disconnect(id)))
    if (user !== undefined) {
      acts.append(button("… the user", `Disconnect the user ${user}`, () => look.disconnectUser(user)))
    }
    return rowOf(
      who,
      cell(labels.length === 0 ? nothing() : listOf(labels)),
      cell(since === undefined ? nothing() : when(since)),
      cell(waiting === undefined ? nothing() : Looking.bytes(waiting)),
      cell(state === undefined ? nothing() : kept(state.text ?? Looking.bytes(state.bytes))),
      cell(protocol),
      cell(acts)
    )
  }

  const facts = Object.fromEntries(
    ["Connections", "Woke last", "Woken by", "Under way", "Alarm", "Asked"].map((name) => {
      const value = create("dd", "", nothing())
      element("facts").append(create("div", "", create("dt", "", name), value))
      return [name, value]
    })
  )
  const wakes = Rows.make(element("wakes"), { key: ({ cause }) => cause, row: wakesRow, empty: "" })
  const connections = Rows.make(element("connections"), {
    key: ({ id }) => id,
    row: connectionRow,
    empty: "Nobody is connected."
  })
  const deadlines = Rows.make(element("deadlines"), {
    key: (_, index) => String(index),
    row: deadlineRow,
    empty: "There are none."
  })
  wakes(Looking.causes(undefined))

  let shown: Inspection.Inspection | undefined

  /** Shows the room, of whose events so many were missed. */
  return (room: Inspection.Inspection, missed: number) => {
    const all = Looking.listed(room, missed)
    if (listed.textContent !== all) listed.textContent = all
    if (room === shown) return
    const { alarm, at, awake, busy } = room
    const values = {
      "Connections": String(room.count),
      "Woke last": when(awake.since),
      "Woken by": awake.cause === undefined ? "nobody knows" : Looking.words[awake.cause],
      "Under way": underWay(busy),
      "Alarm": alarm === undefined ? "none" : when(alarm),
      "Asked": when(at)
    }
    for (const [name, value] of Object.entries(values)) facts[name]!.replaceChildren(value)
    if (room.wakes !== shown?.wakes) wakes(Looking.causes(room.wakes))
    if (room.connections !== shown?.connections) connections(room.connections)
    if (room.deadlines !== shown?.deadlines) deadlines(room.deadlines)
    shown = room
  }
}
