/**
 * One stay in a room, from joining to leaving.
 */
import { Chat, Say } from "../src/Chat.ts"
import { connect, type Connection } from "../src/client/Connect.ts"
import type * as RoomClient from "../src/client/RoomClient.ts"
import { RoomClientError } from "../src/client/RoomClientError.ts"
import type * as Status from "../src/client/Status.ts"
import type * as Room from "../src/services/Room.ts"
import * as Conversation from "./conversation.ts"
import { complain, element, nextAttempt, segment } from "./dom.ts"
import * as Door from "./door.ts"
import type * as Memory from "./memory.ts"
import { another } from "./names.ts"
import * as Network from "./network.ts"

// The runtime puts a room to sleep when nothing has happened in it for this long.
const asleepAfter = 10_000

const farewell = (code: number) => {
  switch (code) {
    case 1000:
    case 1001:
    case 1005:
      return " left."
    case 1006:
    case 4000:
      return " lost the connection."
    default:
      return " is gone."
  }
}

/** How the connection stands, in a word for the style and one for people. `why` it is none, if the door has told. */
const describe = (
  status: Status.Status,
  { hasBeen, isOffline, isOpen, why }: {
    readonly hasBeen: boolean
    readonly isOffline: boolean
    readonly isOpen: boolean
    readonly why: string | undefined
  }
): readonly [state: string, text: string] => {
  switch (status._tag) {
    case "Connecting":
      return ["connecting", "Connecting…"]
    case "Connected":
      if (isOpen) return ["open", "Connected"]
      // It takes no more, and how it ends is not known yet.
      return ["closing", isOffline ? "You are offline" : "Disconnecting…"]
    case "Waiting":
      if (isOffline) return ["waiting", "You are offline"]
      return ["waiting", why ?? (hasBeen ? "Connection lost, trying again…" : "No connection yet, trying again…")]
    case "Closed":
      return ["closed", why ?? `Closed by the room${status.reason && `: ${status.reason}`}`]
  }
}

export interface Stay {
  /** Says something, or, where that cannot be, why not. */
  readonly say: (text: string) => string
  readonly reconnect: () => void
  readonly cut: () => void
  readonly offline: (value: boolean) => void
  /** What is left of it. */
  readonly kept: () => Omit<Memory.Kept, "draft">
  readonly leave: () => void
}

/** Who hears of what one can do something about. */
export interface Listener {
  /** What was typed cannot be said. */
  readonly refused: (text: string, why: string) => void
  /** What is not told yet is another. */
  readonly changed: () => void
  /** One is not let in, and will not be. */
  readonly turnedAway: (why: string) => void
}

export const enter = (
  conversation: Conversation.Conversation,
  { name, room }: { readonly room: string; readonly name: string },
  before: Memory.Kept | undefined,
  { changed, refused, turnedAway }: Listener
): Stay => {
  const [chat, state, count, next] = [element("chat"), element("status"), element("count"), element("next")]
  const [again, cut, field] = [element("again"), element("cut"), element("text")]
  const network = Network.make()
  const address = `/rooms/${segment(room)}`
  let me: string | undefined
  let hasBeen = before !== undefined && before.entries.length > 0
  // Whether the attempt has made a connection, and if not, why, and how many have not, one after the other.
  let isIn = false
  let why: string | undefined
  let refusals = 0
  let isOver = false
  let drowsy: ReturnType<typeof setTimeout> | undefined
  let unread = 0
  let saying = 0
  // What one has typed and the room has not told yet, in order.
  const typed = new Set<Conversation.Mine>()

  const title = () => {
    document.title = `${unread > 0 ? `(${unread}) ` : ""}${room} · Dormouse`
  }

  const stir = () => {
    clearTimeout(drowsy)
    chat.classList.remove("asleep")
    drowsy = setTimeout(() => chat.classList.add("asleep"), asleepAfter)
  }

  const counted = (connections: number) => {
    count.textContent = connections === 1 ? "only you here" : `${connections} here`
  }

  const onMessage = (message: Room.Send<typeof Chat>) => {
    stir()
    switch (message._tag) {
      case "Welcome":
        conversation.note(hasBeen ? "You are back as " : "You joined as ", { who: message.name }, ".")
        if (!hasBeen && message.connections === 1) {
          conversation.note("Nobody else is here yet. Send somebody this page’s address.")
        }
        me = message.connection
        hasBeen = true
        return counted(message.connections)
      case "Joined":
        conversation.note({ who: another(message.name) }, " joined.")
        return counted(message.connections)
      case "Left":
        conversation.note({ who: another(message.name) }, farewell(message.code))
        return counted(message.connections)
      case "Said": {
        if (message.connection === me) {
          const mine = [...typed].find(({ text }) => text === message.text)
          if (mine !== undefined) {
            typed.delete(mine)
            mine.settle()
            return changed()
          }
        } else if (document.visibilityState !== "visible") {
          unread += 1
          title()
        }
        const from = message.connection === me ? Conversation.myself : message.connection
        return conversation.add({ _tag: "Said", from, name: message.name, text: message.text, at: Date.now() })
      }
    }
  }

  const onTrouble = (trouble: RoomClient.Trouble<typeof Chat>) => {
    if (trouble._tag === "Rejected") conversation.error(`The room could not take that: ${trouble.detail}`)
    if (trouble._tag === "Unreadable") conversation.error("The room said something that this page does not know.")
  }

  const show = () => {
    const { status } = connection
    const [now, words] = describe(status, { hasBeen, isOffline: network.isOffline(), isOpen: network.isOpen(), why })
    if (state.dataset.state !== now) state.dataset.state = now
    // What is the same is not read out again.
    if (state.textContent !== words) state.textContent = words
    next.textContent = status._tag === "Waiting" ? nextAttempt(status.until) : ""
    // Nobody loses what he stands on.
    const isOn = document.activeElement === again
    if (now === "open" && isOn) field.focus()
    again.classList.toggle("away", now === "open" || (now === "connecting" || now === "closing") && !isOn)
    cut.ariaDisabled = String(now !== "open")
    if (now === "open") return
    // Who is there, and whether the room sleeps, nobody knows any more.
    count.textContent = ""
    clearTimeout(drowsy)
    chat.classList.remove("asleep")
  }

  let questions = 0
  const ask = async () => {
    const asked = connection
    const question = ++questions
    const refusal = await Door.ask(`${address}?${new URLSearchParams({ name })}`)
    if (isOver || question !== questions || asked !== connection || connection.status._tag === "Connected") return
    why = refusal?.why
    if (refusal?.isFinal === true) {
      if (!hasBeen) return turnedAway(refusal.why)
      void connection.close()
    }
    show()
  }

  const onStatus = (status: Status.Status) => {
    if (isOver) return
    if (status._tag === "Connected") {
      why = undefined
      refusals = 0
      complain(field, "")
    }
    show()
    if (status._tag === "Waiting" && !isIn && !network.isOffline()) {
      refusals += 1
      // A question counts as an attempt at the door, too: it is asked after 1, 2, 4, 8 … of them.
      if (Number.isInteger(Math.log2(refusals))) void ask()
    }
    isIn = status._tag === "Connected"
    if (status._tag === "Connected") {
      for (const mine of typed) if (mine.fate() === "waiting") mine.become("sending")
    } else {
      // What had left is told as unknown, in a moment. The rest waits.
      for (const mine of typed) if (mine.fate() === "sending") mine.become("waiting")
    }
    // As long as it is not told what is unknown, whoever takes this up should take it for that.
    if (status._tag === "Connected" || status._tag === "Connecting") changed()
  }

  const open = (): Connection<typeof Chat> =>
    connect(Chat, {
      url: address,
      query: { name },
      transport: network.transport,
      onMessage,
      onStatus: (status) => queueMicrotask(() => onStatus(status)),
      onTrouble
    })

  const failed = (mine: Conversation.Mine, error: unknown) => {
    const reason = error instanceof RoomClientError ? error.reason : undefined
    // What has not left waits for whoever opens the connection again.
    if (reason?._tag === "Closed" && mine.fate() === "waiting") return
    // What the room has told has arrived, whatever came after.
    if (isOver || !typed.delete(mine)) return
    mine.remove()
    changed()
    switch (reason?._tag) {
      case "Rejected":
        // It was not handled, unless the room has failed at it.
        if (reason.code !== "Internal") return refused(mine.text, `${reason.detail} Your message stays here.`)
        return conversation.error(`The room could not take that: ${reason.detail}`)
      case "QueueFull":
        return refused(mine.text, "Too much is waiting already. Your message stays here.")
    }
    conversation.error("This may not have arrived: ", { who: mine.text })
  }

  const send = (mine: Conversation.Mine) => {
    saying += 1
    connection.send(new Say({ text: mine.text }), { id: String(saying) }).then(
      () => mine.become("sent"),
      (error: unknown) => failed(mine, error)
    )
  }

  const say = (text: string) => {
    const { status } = connection
    if (status._tag === "Closed") return "The room is closed. Your message stays here."
    const mine = conversation.type(name, text, network.isOpen() ? "sending" : "waiting")
    typed.add(mine)
    send(mine)
    return ""
  }

  const onVisibility = () => {
    if (document.visibilityState !== "visible") return
    unread = 0
    title()
  }

  title()
  element("room-name").textContent = room
  document.addEventListener("visibilitychange", onVisibility)
  conversation.restore(before?.entries ?? [])
  let connection = open()
  show()
  for (const text of before?.doubtful ?? []) conversation.error("This may not have arrived: ", { who: text })
  for (const text of before?.waiting ?? []) say(text)
  const ticking = setInterval(show, 1_000)

  return {
    say,
    reconnect: () => {
      refusals = 0
      if (connection.status._tag === "Closed") {
        connection = open()
        typed.forEach(send)
      } else connection.wake()
      show()
    },
    cut: () => {
      network.cut()
      show()
    },
    offline: (value) => {
      network.offline(value)
      if (!value) connection.wake()
      show()
    },
    kept: () => {
      const texts = (fate: Conversation.Fate) =>
        [...typed].filter((mine) => mine.fate() === fate).map(({ text }) => text)
      return { room, name, entries: conversation.told(), waiting: texts("waiting"), doubtful: texts("sending") }
    },
    leave: () => {
      isOver = true
      void connection.close()
      clearTimeout(drowsy)
      clearInterval(ticking)
      document.removeEventListener("visibilitychange", onVisibility)
      document.title = "Dormouse"
      chat.classList.remove("asleep")
    }
  }
}
