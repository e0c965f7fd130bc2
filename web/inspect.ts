/**
 * The inspector: looks into a room, and keeps nothing awake by that.
 */
import type { Connection } from "../src/client/Connect.ts"
import type * as Status from "../src/client/Status.ts"
import type * as Inspection from "../src/inspector/Inspection.ts"
import type { InspectorRoom } from "../src/inspector/InspectorRoom.ts"
import { complain, element, exactTime, follow, make, nextAttempt, segment } from "./dom.ts"
import * as Look from "./look.ts"
import * as Looking from "./looking.ts"
import { roomProblem } from "./names.ts"

const [start, inspector, status, next, report] = ["start", "inspector", "status", "next", "report"].map((id) =>
  element(id)
) as [HTMLElement, HTMLElement, HTMLElement, HTMLElement, HTMLElement]
const [roomInput, tokenInput] = [element<HTMLInputElement>("room"), element<HTMLInputElement>("token")]
const [messageInput, userInput] = [element<HTMLTextAreaElement>("message"), element<HTMLInputElement>("user")]
const [log, events, latest] = [element("log"), element("events"), element("latest")]
const { append } = follow(log, latest, 300)

let look: Look.Look | undefined
let connection: Connection<typeof InspectorRoom> | undefined
let room: Inspection.Inspection | undefined
let stirredAt = 0
let isHeard = false

const cell = (...content: ReadonlyArray<string | Node>) => make("td", "", ...content)

const nothing = () => make("span", "none", "–")

const button = (text: string, label: string, act: () => Promise<Look.Answer>, id: string) => {
  const made = make("button", "small", text)
  made.type = "button"
  made.ariaLabel = label
  made.dataset.act = id
  made.addEventListener("click", async () => {
    made.disabled = true
    const answer = await act()
    made.disabled = false
    report.textContent = "problem" in answer
      ? answer.problem
      : `${answer.value.closed} closed.`
    report.classList.toggle("problem", "problem" in answer)
  })
  return made
}

/** Rows take the place of those that were there; who had the focus keeps it. */
const fill = (id: string, rows: ReadonlyArray<HTMLElement>, empty: string) => {
  const body = element(id)
  const focused = document.activeElement instanceof HTMLElement && body.contains(document.activeElement)
    ? document.activeElement.dataset.act
    : undefined
  const { length: columns } = body.closest("table")!.querySelectorAll("thead th")
  const none = make("td", "none", empty)
  none.colSpan = columns
  body.replaceChildren(...(rows.length === 0 ? [make("tr", "", none)] : rows))
  if (focused !== undefined) {
    const again = [...body.querySelectorAll<HTMLElement>("button")].find(({ dataset }) => dataset.act === focused)
    ;(again ?? log).focus()
  }
}

const connectionRow = ({ id, labels, protocol, since, state, user, waiting }: Inspection.Connection) => {
  const who = make("th", "", user ?? make("span", "none", "anonymous"), " ", make("code", "", Looking.brief(id)))
  who.scope = "row"
  who.title = id
  const acts = cell(
    button("Disconnect", `Disconnect ${Looking.brief(id)}`, () => look!.disconnect(id), id)
  )
  if (user !== undefined) {
    acts.append(
      " ",
      button("… the user", `Disconnect the user ${user}`, () => look!.disconnectUser(user), `${id} user`)
    )
  }
  return make(
    "tr",
    "",
    who,
    cell(labels.length === 0 ? nothing() : labels.join(", ")),
    cell(since === undefined ? nothing() : exactTime(since)),
    cell(waiting === undefined ? nothing() : Looking.bytes(waiting)),
    cell(state === undefined ? nothing() : make("code", "body", state.text ?? Looking.bytes(state.bytes))),
    cell(protocol),
    acts
  )
}

const deadlineRow = ({ at, due, error, failures, key, name }: Inspection.Deadline) => {
  const head = make("th", "", name)
  head.scope = "row"
  return make(
    "tr",
    "",
    head,
    cell(make("code", "body", key)),
    cell(exactTime(due ?? at), due === undefined ? " (set aside)" : ""),
    cell(failures === 0 ? "none" : `${failures}: ${error ?? ""}`)
  )
}

const wakesRow = ({ cause, count, last }: Inspection.Wakes) => {
  const head = make("th", "", Looking.words[cause])
  head.scope = "row"
  return make("tr", "", head, cell(String(count)), cell(exactTime(last)))
}

const facts = (entries: ReadonlyArray<readonly [string, string | Node]>) =>
  element("facts").replaceChildren(
    ...entries.map(([name, value]) => make("div", "", make("dt", "", name), make("dd", "", value)))
  )

const show = () => {
  if (room === undefined) return
  const { alarm, at, awake, busy, connections, count, deadlines, wakes } = room
  facts([
    ["Connections", String(count)],
    ["Woke last", exactTime(awake.since)],
    ["Woken by", awake.cause === undefined ? "nobody knows" : Looking.words[awake.cause]],
    [
      "Under way",
      busy.arriving + busy.asking + busy.leaving === 0
        ? "nothing"
        : `${busy.arriving} arriving, ${busy.asking} calls, ${busy.leaving} leaving`
    ],
    ["Alarm", alarm === undefined ? "none" : exactTime(alarm)],
    ["Asked", exactTime(at)]
  ])
  fill("wakes", wakes.by.toSorted((a, b) => b.count - a.count).map(wakesRow), "It has not woken yet.")
  fill("connections", connections.map(connectionRow), "Nobody is connected.")
  fill("deadlines", deadlines.map(deadlineRow), "There are none.")
}

const showSleep = () => {
  const { status } = connection ?? {}
  next.textContent = status?._tag === "Waiting" ? nextAttempt(status.until) : ""
  if (room === undefined) return
  const isAsleep = Looking.isAsleep(room, stirredAt, Date.now())
  const text = isAsleep
    ? "Asleep: nothing passes. You look, and it sleeps on."
    : "Awake: something has passed within ten seconds."
  const shown = element("sleep")
  if (shown.textContent !== text) shown.textContent = text
  inspector.classList.toggle("asleep", isAsleep)
}

const tell = (event: Inspection.Event) => {
  const { body, text } = Looking.describe(event)
  const entry = make("li", "", exactTime(event.at), make("strong", "", event._tag), make("span", "", text))
  entry.dataset.event = event._tag
  if (body !== undefined && body !== "") entry.append(make("code", "body", body))
  append(events, entry)
}

const describe = (status: Status.Status): readonly [state: string, text: string] => {
  switch (status._tag) {
    case "Connecting":
      return ["connecting", "Connecting…"]
    case "Connected":
      return ["open", "You look"]
    case "Waiting":
      return ["waiting", "Connection lost, trying again…"]
    case "Closed":
      return ["closed", "You do not look any more"]
  }
}

const stop = (problem: string) => {
  void connection?.close()
  connection = undefined
  look = undefined
  room = undefined
  inspector.hidden = true
  start.hidden = false
  complain(tokenInput, problem)
  tokenInput.focus()
}

const begin = (name: string, token: string) => {
  const mine = Look.make(name, token)
  look = mine
  isHeard = false
  history.replaceState(null, "", `/inspect/${segment(name)}`)
  document.title = `${name} · Inspector`
  element("room-name").textContent = name
  events.replaceChildren()
  report.textContent = ""
  start.hidden = true
  inspector.hidden = false
  element("room-name").focus()
  const refuse = (answer: Look.Answer) => {
    if (look === mine && "problem" in answer && answer.status !== 0) stop(answer.problem)
  }
  connection = mine.connect((message) => {
    if (look !== mine) return
    stirredAt = Date.now()
    if (message._tag === "Inspection") room = message
    else {
      if (message.missed > 0) append(events, make("li", "", `${message.missed} more, of which nobody is told`))
      for (const event of message.events) {
        tell(event)
        if (room !== undefined) room = Looking.after(room, event)
      }
    }
    show()
    showSleep()
  }, (now) => {
    if (look !== mine) return
    const [state, text] = describe(now)
    status.dataset.state = state
    status.textContent = text
    element("again").classList.toggle("away", now._tag !== "Waiting")
    if (now._tag === "Connected") {
      isHeard = true
      void mine.look().then(refuse)
    }
    // A browser does not tell why a handshake was refused.
    if (now._tag === "Waiting" && !isHeard) void mine.inspect().then(refuse)
  })
}

element("look").addEventListener("submit", (event) => {
  event.preventDefault()
  const name = roomInput.value.trim()
  const token = tokenInput.value.trim()
  complain(roomInput, roomProblem(name))
  complain(tokenInput, token === "" ? "Which token?" : "")
  const wrong = [roomInput, tokenInput].find((input) => input.ariaInvalid === "true")
  if (wrong) return wrong.focus()
  begin(name, token)
})

element("publish").addEventListener("submit", async (event) => {
  event.preventDefault()
  let message: unknown
  try {
    message = JSON.parse(messageInput.value)
  } catch (error) {
    return complain(messageInput, `This is no JSON. ${error instanceof Error ? error.message : ""}`)
  }
  const answer = await look!.publish(message, userInput.value.trim())
  complain(messageInput, "problem" in answer ? answer.problem : "")
  element("published").textContent = "problem" in answer ? "" : `It has reached ${answer.value.delivered}.`
})

for (const input of [roomInput, tokenInput, messageInput]) input.addEventListener("input", () => complain(input, ""))

element("refresh").addEventListener("click", () => void look?.look())
element("again").addEventListener("click", () => connection?.wake())
element("leave").addEventListener("click", () => {
  tokenInput.value = ""
  document.title = "Inspector · Dormouse"
  stop("")
})

setInterval(showSleep, 1_000)

const [, , name = ""] = location.pathname.split("/")
try {
  roomInput.value = decodeURIComponent(name)
} catch {
  roomInput.value = name
}
;(roomInput.value === "" ? roomInput : tokenInput).focus()
