/**
 * The page: joins a room under a name, shows who comes and goes, and talks.
 *
 * What people typed, here or elsewhere, enters the document as text only.
 */

// The path segments `.` and `..` would lead a URL elsewhere.
const roomName = /^(?!\.{1,2}$)[A-Za-z0-9._~-]{1,128}$/
const nameLength = 64
const textLength = 4096
const entriesKept = 500

const answerWithin = 10_000
const pingEvery = 30_000
const backoff = { first: 500, most: 30_000 }
const stableAfter = 5_000
// The runtime puts a room to sleep when nothing has happened in it for this long.
const asleepAfter = 10_000

// The codes of the close table that a client does not do well to come back after.
const isFinal = (code) => [1000, 1002, 1003, 1007, 1008, 1009].includes(code) || (code >= 4500 && code <= 4999)

const element = (id) => document.getElementById(id)
const [lobby, chat, log, entries, latest] = ["lobby", "chat", "log", "entries", "latest"].map(element)
const [joinForm, nameInput, roomInput] = ["join", "name", "room"].map(element)
const [sayForm, textInput, sendButton, textProblem] = ["say", "text", "send", "text-problem"].map(element)
const [roomTitle, status, count, again, leaveButton] = ["room-name", "status", "count", "again", "leave"].map(element)

// A character is what people count as one: an emoji is not two.
const characters = (text) => [...text].length

const isVisible = () => document.visibilityState === "visible"

/**
 * Keeps a connection to a room until it is left, or until the room says that there is no coming back.
 *
 * `on.state` hears of `connecting`, `open`, `waiting` and `closed`; `on.frame` gets every message of the room.
 */
const connect = (url, on) => {
  let socket
  let retry
  let deadline
  let openedAt
  let attempt = 0

  const settle = () => {
    clearTimeout(deadline)
    deadline = undefined
  }

  // A connection that broke off without a word shows only in that nothing comes back.
  const expectAnswer = () => {
    deadline ??= setTimeout(() => lose(4000, "No answer"), answerWithin)
  }

  const ping = () => {
    if (socket?.readyState !== WebSocket.OPEN || !isVisible()) return
    socket.send("ping")
    expectAnswer()
  }

  const drop = (code, reason) => {
    const dropped = socket
    socket = undefined
    settle()
    clearTimeout(retry)
    retry = undefined
    dropped?.close(code, reason)
  }

  const open = () => {
    drop(4000, "Connecting anew")
    on.state("connecting")
    const opening = new WebSocket(url)
    socket = opening
    openedAt = undefined
    expectAnswer()
    // What an abandoned socket still says concerns nobody.
    opening.addEventListener("message", ({ data }) => {
      if (socket !== opening) return
      settle()
      if (data === "pong") return
      if (openedAt === undefined) {
        openedAt = performance.now()
        on.state("open")
      }
      on.frame(data)
    })
    opening.addEventListener("close", ({ code, reason }) => {
      if (socket === opening) closed(code, reason)
    })
  }

  const lose = (code, reason) => {
    drop(code, reason)
    closed(code, reason)
  }

  const closed = (code, reason) => {
    drop()
    if (openedAt !== undefined && performance.now() - openedAt >= stableAfter) attempt = 0
    if (isFinal(code)) {
      on.state("closed", reason)
      return
    }
    const most = Math.min(backoff.most, backoff.first * 2 ** attempt)
    attempt += 1
    retry = setTimeout(open, Math.random() * most)
    on.state("waiting")
  }

  const retryNow = () => {
    if (retry === undefined) ping()
    else open()
  }

  const onVisibility = () => {
    if (isVisible()) retryNow()
    // A page in the background may be frozen: a missed deadline says nothing about the connection.
    else if (openedAt !== undefined) settle()
  }

  const pinging = setInterval(ping, pingEvery)
  addEventListener("online", retryNow)
  document.addEventListener("visibilitychange", onVisibility)
  open()

  return {
    /** Whether the text was handed to an open connection. */
    send: (text) => {
      if (openedAt === undefined || socket?.readyState !== WebSocket.OPEN) return false
      socket.send(text)
      return true
    },
    /** Starts over now, whatever the state. */
    reconnect: open,
    /** Says goodbye and stays away. */
    leave: () => {
      clearInterval(pinging)
      removeEventListener("online", retryNow)
      document.removeEventListener("visibilitychange", onVisibility)
      drop(1000, "left")
    }
  }
}

// Storage may be forbidden or full; the page works without.
const storage = {
  get: (key) => {
    try {
      return localStorage.getItem(`dormouse.${key}`) ?? ""
    } catch {
      return ""
    }
  },
  set: (key, value) => {
    try {
      localStorage.setItem(`dormouse.${key}`, value)
    } catch {
      // Then it is asked for again next time.
    }
  }
}

const make = (tag, className, text) => {
  const made = document.createElement(tag)
  if (className) made.className = className
  if (text !== undefined) made.textContent = text
  return made
}

const isAtEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 48

const toEnd = () => {
  log.scrollTop = log.scrollHeight
  latest.hidden = true
}

const append = (entry, follow = isAtEnd()) => {
  entries.append(entry)
  while (entries.childElementCount > entriesKept) entries.firstElementChild.remove()
  if (follow) toEnd()
  else latest.hidden = false
}

const note = (className, ...parts) => {
  const entry = make("li", `note ${className}`)
  entry.append(...parts)
  append(entry)
}

const person = (name) => make("strong", "", name)

// One person keeps one colour, in every tab. The golden angle keeps the colours of similar names apart.
const hue = (name) => {
  let hash = 0
  for (const character of name) hash = (hash * 31 + character.codePointAt(0)) % 65_521
  return Math.round(hash * 137.508) % 360
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" })

const said = ({ connection, name, text }, isMine) => {
  const entry = make("li", isMine ? "said mine" : "said")
  const previous = entries.lastElementChild
  entry.dataset.connection = connection
  if (previous?.dataset.connection === connection) entry.classList.add("continued")
  entry.style.setProperty("--hue", hue(name))

  const now = new Date()
  const time = make("time", "", clock.format(now))
  time.dateTime = now.toISOString()
  const meta = make("p", entry.classList.contains("continued") ? "meta unseen" : "meta")
  meta.append(make("span", "who", isMine ? "You" : name), " ", time)
  const bubble = make("div", "bubble")
  bubble.append(meta, make("p", "text", text))
  const avatar = make("span", "avatar", [...name][0]?.toUpperCase())
  avatar.ariaHidden = "true"
  entry.append(avatar, bubble)
  append(entry, isMine || isAtEnd())
}

const farewell = (code) => {
  switch (code) {
    case 1000:
    case 1001:
    case 1005:
      return " left."
    case 1006:
      return " lost the connection."
    default:
      return " is gone."
  }
}

/** One stay in a room, from joining to leaving. */
const enter = (room, name) => {
  let me
  let drowsy
  let unread = 0
  // What was sent and has not come back from the room.
  const pending = []

  const title = () => {
    document.title = `${unread > 0 ? `(${unread}) ` : ""}${room} · Dormouse`
  }

  const stir = () => {
    clearTimeout(drowsy)
    chat.classList.remove("asleep")
    drowsy = setTimeout(() => chat.classList.add("asleep"), asleepAfter)
  }

  const counted = (connections) => {
    count.textContent = connections === 1 ? "only you here" : `${connections} here`
  }

  const onFrame = (data) => {
    let frame
    try {
      frame = JSON.parse(data)
    } catch {
      return
    }
    stir()
    switch (frame?._tag) {
      case "Welcome":
        note("", me === undefined ? "You joined as " : "You are back as ", person(frame.name), ".")
        if (me === undefined && frame.connections === 1) {
          note("", "Nobody else is here yet. Send somebody this page’s address.")
        }
        me = frame.connection
        return counted(frame.connections)
      case "Joined":
        note("", person(frame.name), " joined.")
        return counted(frame.connections)
      case "Left":
        note("", person(frame.name), farewell(frame.code))
        return counted(frame.connections)
      case "Said":
        if (frame.connection === me) pending.shift()
        else if (!isVisible()) unread += 1
        title()
        return said(frame, frame.connection === me)
      case "Error":
        pending.shift()
        return note("error", `The room could not take that: ${frame.message}`)
    }
  }

  const onState = (state, reason) => {
    status.dataset.state = state
    status.textContent = state === "open"
      ? "Connected"
      : state === "connecting"
      ? "Connecting…"
      : state === "closed"
      ? `Closed by the room${reason ? `: ${reason}` : ""}`
      : navigator.onLine
      ? "Connection lost, trying again…"
      : "You are offline"
    again.hidden = state === "open" || state === "connecting"
    sendButton.disabled = state !== "open"
    if (state === "open") complainOfText("")
    else count.textContent = ""
    if (state === "waiting" || state === "closed") {
      clearTimeout(drowsy)
      for (const text of pending.splice(0)) note("error", "This may not have arrived: ", person(text))
    }
  }

  const onVisibility = () => {
    if (!isVisible()) return
    unread = 0
    title()
  }

  entries.replaceChildren()
  latest.hidden = true
  roomTitle.textContent = room
  title()
  lobby.hidden = true
  chat.hidden = false
  textInput.focus()
  document.addEventListener("visibilitychange", onVisibility)

  const url = new URL(`/rooms/${room}`, location.href)
  url.protocol = url.protocol.replace("http", "ws")
  url.searchParams.set("name", name)
  const connection = connect(url, { state: onState, frame: onFrame })

  return {
    say: (text) => {
      const sent = connection.send(JSON.stringify({ _tag: "Say", text }))
      if (sent) pending.push(text)
      return sent
    },
    reconnect: connection.reconnect,
    leave: () => {
      connection.leave()
      clearTimeout(drowsy)
      document.removeEventListener("visibilitychange", onVisibility)
      document.title = "Dormouse"
      chat.classList.remove("asleep")
      chat.hidden = true
      lobby.hidden = false
    }
  }
}

let stay

const complain = (input, problem) => {
  element(`${input.id}-error`).textContent = problem
  if (problem) input.setAttribute("aria-invalid", "true")
  else input.removeAttribute("aria-invalid")
}

const complainOfText = (problem) => {
  textProblem.textContent = problem
}

const nameProblem = (name) => {
  if (name === "") return "Tell the others what to call you."
  return characters(name) > nameLength ? `A name has at most ${nameLength} characters.` : ""
}

const roomProblem = (room) => {
  if (room === "") return "Which room?"
  return roomName.test(room) ? "" : "A room’s name has 1 to 128 letters A–Z, digits or the characters . _ ~ -"
}

const join = (room, name) => {
  storage.set("room", room)
  storage.set("name", name)
  const url = new URL(location.href)
  url.searchParams.set("room", room)
  // The entry of the history outlives a reload, which is thus no leave.
  history.replaceState({ name }, "", url)
  stay = enter(room, name)
}

joinForm.addEventListener("submit", (event) => {
  event.preventDefault()
  const name = nameInput.value.trim()
  const room = roomInput.value.trim()
  complain(nameInput, nameProblem(name))
  complain(roomInput, roomProblem(room))
  const wrong = [nameInput, roomInput].find((input) => input.ariaInvalid === "true")
  if (wrong) wrong.focus()
  else join(room, name)
})

for (const input of [nameInput, roomInput]) input.addEventListener("input", () => complain(input, ""))

const submitText = () => {
  const text = textInput.value.trim()
  const length = characters(text)
  if (length > textLength) {
    return complainOfText(`A message has at most ${textLength} characters; this one has ${length}.`)
  }
  if (length === 0) return
  if (!stay.say(text)) return complainOfText("Not connected. Your message stays here until you are.")
  textInput.value = ""
  complainOfText("")
}

sayForm.addEventListener("submit", (event) => {
  event.preventDefault()
  submitText()
  textInput.focus()
})

textInput.addEventListener("input", () => complainOfText(""))

textInput.addEventListener("keydown", (event) => {
  // While a word is being composed, Enter belongs to the input method.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return
  event.preventDefault()
  submitText()
})

log.addEventListener("scroll", () => {
  if (isAtEnd()) latest.hidden = true
}, { passive: true })

// The keyboard of a phone takes half of the window away.
new ResizeObserver(() => {
  if (latest.hidden) toEnd()
}).observe(log)

latest.addEventListener("click", () => {
  toEnd()
  textInput.focus()
})

again.addEventListener("click", () => {
  stay.reconnect()
  textInput.focus()
})

leaveButton.addEventListener("click", () => {
  stay.leave()
  stay = undefined
  textInput.value = ""
  complainOfText("")
  history.replaceState(null, "")
  nameInput.focus()
})

nameInput.value = history.state?.name ?? storage.get("name")
roomInput.value = new URL(location.href).searchParams.get("room") ?? (storage.get("room") || "lobby")

if (
  typeof history.state?.name === "string" && roomProblem(roomInput.value) === "" && nameProblem(nameInput.value) === ""
) {
  join(roomInput.value, nameInput.value)
} else if (nameInput.value === "") {
  nameInput.focus()
} else {
  roomInput.focus()
}
