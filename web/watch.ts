/**
 * One watch over a room, from looking to stopping. What the page knows of a room, and what it says, belongs to it: another
 * watch begins with nothing.
 */
import type * as Status from "../src/client/Status.ts"
import type * as Inspection from "../src/inspector/Inspection.ts"
import { complain, element, exactTime, follow, make as create, nextAttempt, once, scrolls } from "./dom.ts"
import * as Look from "./look.ts"
import * as Looking from "./looking.ts"
import * as Panels from "./panels.ts"

/** Events that are shown. */
const kept = 300

/** After so long a room that did not answer is asked again. */
const patience = 5_000

/** Draws once in a frame, however much passes. */
const perFrame = (draw: () => void) => {
  let isDue = false
  return () => {
    if (isDue) return
    isDue = true
    requestAnimationFrame(() => {
      isDue = false
      draw()
    })
  }
}

const describe = (status: Status.Status, isHeard: boolean): readonly [state: string, text: string] => {
  switch (status._tag) {
    case "Connecting":
      return ["connecting", "Connecting…"]
    case "Connected":
      return isHeard ? ["open", "You look"] : ["connecting", "Asking the room…"]
    case "Waiting":
      return ["waiting", "Connection lost, trying again…"]
    case "Closed":
      return ["closed", `You do not look any more${status.reason && `: ${status.reason}`}`]
  }
}

const sentences = {
  asking: "Asking…",
  unknown: "Nobody knows how it is: you do not look.",
  past: "You do not look: here stands how it was.",
  asleep: "Asleep: nothing passes. You look, and it sleeps on.",
  awake: "Awake: something has passed within ten seconds.",
  busy: "Something was under way when it was asked. Only asking anew tells whether it still is."
} as const

const entryOf = (event: Inspection.Event) => {
  const { body, text } = Looking.describe(event)
  const parts = text.map((part) => typeof part === "string" ? part : create("bdi", "", part.who))
  const entry = create("li", "", exactTime(event.at), create("strong", "", event._tag), create("span", "", ...parts))
  entry.dataset.event = event._tag
  if (body !== undefined && body !== "") {
    const what = create("code", "body", Looking.legible(body))
    if (body.split("\n").length > 5) scrolls(what)
    entry.append(what)
  }
  return entry
}

/** Ends it. */
export type Stop = () => void

/** Begins, on a page that shows nothing yet. A refusal for good ends it. */
export const begin = (
  { name, page, token }: { readonly page: HTMLElement; readonly name: string; readonly token: string },
  refused: (refusal: Look.Problem) => void
): Stop => {
  const [status, next, again, sleep] = ["status", "next", "again", "sleep"].map((id) => element(id)) as [
    HTMLElement,
    HTMLElement,
    HTMLElement,
    HTMLElement
  ]
  const [heading, events, problem] = [element("room-name"), element("events"), element("refresh-problem")]
  const [publish, message] = [element("publish"), element<HTMLTextAreaElement>("message")]
  const { append } = follow(element("log"), element("latest"), kept)
  const look = Look.make(name, token)
  const showRoom = Panels.make(look)

  let isOver = false
  let room: Inspection.Inspection | undefined
  let missed = 0
  let stirredAt = 0
  // Whether the room has answered since the connection is there.
  let isHeard = false
  let retrying: ReturnType<typeof setTimeout> | undefined
  let passed: Array<Inspection.Event | string> = []

  const stop = () => {
    isOver = true
    void connection.close()
    clearInterval(ticking)
    clearTimeout(retrying)
  }

  // It does not say more than the status does.
  const sleeping = ({ _tag }: Status.Status): keyof typeof sentences => {
    if (_tag === "Connected" && isHeard && room !== undefined) return Looking.sleep(room, stirredAt, Date.now())
    if (room !== undefined) return "past"
    return _tag === "Connecting" || _tag === "Connected" ? "asking" : "unknown"
  }

  const showStatus = () => {
    const now = connection.status
    const [state, text] = describe(now, isHeard)
    const known = sleeping(now)
    const said = sentences[known]
    // What is the same is not read out again.
    if (status.textContent !== text) status.textContent = text
    if (sleep.textContent !== said) sleep.textContent = said
    status.dataset.state = state
    next.textContent = now._tag === "Waiting" ? nextAttempt(now.until) : ""
    page.classList.toggle("asleep", known === "asleep")
  }

  const showAll = perFrame(() => {
    const entries = document.createDocumentFragment()
    for (const item of passed.slice(-kept)) {
      entries.append(
        typeof item === "string" ? create("li", "", item) : entryOf(item)
      )
    }
    passed = []
    if (entries.childElementCount > 0) append(events, entries)
    if (room !== undefined) showRoom(room, missed)
    showStatus()
  })

  /** Whether it was not answered as asked. */
  const isRefused = (answer: Look.Answer) => {
    if (isOver || !("problem" in answer)) return false
    if (Look.isFinal(answer)) {
      stop()
      refused(answer)
    }
    problem.textContent = answer.problem
    return true
  }

  const ask = async () => {
    clearTimeout(retrying)
    const answer = await look.look()
    if (isRefused(answer)) retrying = setTimeout(() => isHeard || void ask(), patience)
    else problem.textContent = ""
  }

  const onMessage = (message: Inspection.Inspection | Inspection.Events) => {
    stirredAt = Date.now()
    if (message._tag === "Inspection") {
      if (room !== undefined && !isHeard) passed.push("You did not look for a while: what passed then is not here.")
      room = message
      missed = 0
      isHeard = true
      problem.textContent = ""
    } else {
      if (message.missed > 0) passed.push(`${message.missed} more, of which nobody is told`)
      missed += message.missed
      passed.push(...message.events)
      // Nobody sees a page that does not draw.
      if (passed.length > 2 * kept) passed = passed.slice(-kept)
      if (room !== undefined) room = message.events.reduce(Looking.after, room)
    }
    showAll()
  }

  const onStatus = async (now: Status.Status) => {
    if (isOver) return
    isHeard = false
    showStatus()
    // It stays while an attempt is under way, and goes when it is of no use.
    if (now._tag === "Waiting" || now._tag === "Closed") again.classList.remove("away")
    if (now._tag === "Connected") {
      if (document.activeElement === again) heading.focus()
      again.classList.add("away")
      await ask()
    }
    // A browser does not tell why a handshake was refused.
    if (now._tag === "Waiting") {
      const answer = await look.mayLook()
      if (!("problem" in answer)) problem.textContent = ""
      else if (answer.status !== 0) isRefused(answer)
    }
  }

  const open = () => look.connect(onMessage, (now) => queueMicrotask(() => void onStatus(now)))

  again.addEventListener("click", () => {
    if (connection.status._tag === "Closed") connection = open()
    else connection.wake()
  })

  const refresh = element("refresh")
  refresh.addEventListener(
    "click",
    once(refresh, async () => {
      // The answer comes over the connection. Without one it would wake the object for nothing.
      if (connection.status._tag === "Connected") await ask()
      else problem.textContent = "You do not look, so there is no answer."
    })
  )

  const published = element("published")
  const send = element("send")
  const sendMessage = once(send, async () => {
    published.textContent = ""
    complain(message, "")
    let parsed: unknown
    try {
      parsed = JSON.parse(message.value)
    } catch (error) {
      return complain(message, `This is no JSON. ${error instanceof Error ? error.message : ""}`)
    }
    const answer = await look.publish(parsed, element<HTMLInputElement>("user").value.trim())
    if (isOver) return
    if ("problem" in answer) return complain(message, answer.problem)
    const { delivered, failed } = answer.value
    published.textContent = `It has reached ${delivered}${failed > 0 ? `, and failed to reach ${failed}` : ""}.`
  })
  publish.addEventListener("submit", (event) => {
    event.preventDefault()
    void sendMessage()
  })
  message.addEventListener("input", () => complain(message, ""))

  heading.textContent = name
  heading.focus()
  let connection = open()
  showStatus()
  const ticking = setInterval(showStatus, 1_000)
  return stop
}
