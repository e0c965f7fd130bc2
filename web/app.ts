/**
 * The page: joins a room under a name, shows who comes and goes, and talks.
 */
import * as Conversation from "./conversation.ts"
import { complain, element } from "./dom.ts"
import * as Memory from "./memory.ts"
import { nameProblem, roomProblem, textProblem } from "./names.ts"
import * as Stay from "./stay.ts"
import * as Unfinished from "./unfinished.ts"

const [lobby, chat, sayForm] = [element("lobby"), element("chat"), element("say")]
const [nameInput, roomInput] = [element<HTMLInputElement>("name"), element<HTMLInputElement>("room")]
const textInput = element<HTMLTextAreaElement>("text")
const offline = element("offline")
const conversation = Conversation.make()

let stay: Stay.Stay | undefined
// Whether it was said that what waits is kept nowhere.
let isWarned = false

const lasting = () => stay && { ...stay.kept(), draft: textInput.value }

/** Writes what is not told yet: a tab may be killed. */
const remember = () => {
  const now = lasting()
  if (Memory.saveUnsaid(now) || isWarned || now === undefined || now.waiting.length === 0) return
  isWarned = true
  conversation.note("This browser keeps nothing for the page: what waits is there until the page goes.")
}

const setOffline = (value: boolean) => {
  offline.ariaPressed = String(value)
  stay?.offline(value)
}

const join = (room: string, name: string) => {
  Memory.set("room", room)
  Memory.set("name", name)
  roomInput.value = room
  nameInput.value = name
  for (const input of [roomInput, nameInput]) complain(input, "")
  const url = new URL(location.href)
  url.searchParams.set("room", room)
  // Who is given this address is somebody else. One's own name stays in the entry of the history: it outlives a reload,
  // which is thus no leave.
  url.searchParams.delete("name")
  history.replaceState({ name }, "", url)
  lobby.hidden = true
  chat.hidden = false
  const before = Memory.recall({ room, name })
  textInput.value = before?.draft ?? ""
  setOffline(false)
  stay = Stay.enter(conversation, { room, name }, before, {
    refused: (text, why) => {
      textInput.value = textInput.value === "" ? text : `${textInput.value}\n${text}`
      complain(textInput, why)
      remember()
    },
    changed: remember,
    turnedAway: (why) => {
      leave()
      complain(roomInput, why)
      roomInput.focus()
    }
  })
  isWarned = false
  remember()
  conversation.toEnd()
  textInput.focus()
}

const showLobby = () => {
  chat.hidden = true
  lobby.hidden = false
  Unfinished.show(join, () => nameInput.focus())
}

/** What was said stays behind; what was typed and is not told yet is kept. */
const leave = () => {
  if (stay === undefined) return
  Memory.keep({ ...stay.kept(), entries: [], draft: textInput.value })
  stay.leave()
  stay = undefined
  Memory.save()
  textInput.value = ""
  complain(textInput, "")
  history.replaceState(null, "")
  showLobby()
}

const tryToJoin = () => {
  const name = nameInput.value.trim()
  const room = roomInput.value.trim()
  complain(nameInput, nameProblem(name))
  complain(roomInput, roomProblem(room))
  const wrong = [nameInput, roomInput].find((input) => input.ariaInvalid === "true")
  if (wrong) wrong.focus()
  else join(room, name)
}

element("join").addEventListener("submit", (event) => {
  event.preventDefault()
  tryToJoin()
})

const submitText = () => {
  const text = textInput.value.trim()
  if (text === "" || stay === undefined) return
  const problem = textProblem(text) || stay.say(text)
  complain(textInput, problem)
  if (problem !== "") return
  textInput.value = ""
  remember()
}

sayForm.addEventListener("submit", (event) => {
  event.preventDefault()
  submitText()
  textInput.focus()
})

for (const input of [nameInput, roomInput, textInput]) input.addEventListener("input", () => complain(input, ""))

let typing: ReturnType<typeof setTimeout> | undefined
textInput.addEventListener("input", () => {
  typing ??= setTimeout(() => {
    typing = undefined
    remember()
  }, 500)
})

textInput.addEventListener("keydown", (event) => {
  // While a word is being composed, Enter belongs to the input method.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return
  event.preventDefault()
  submitText()
})

element("latest").addEventListener("click", () => textInput.focus())

element("again").addEventListener("click", () => {
  setOffline(false)
  stay?.reconnect()
  textInput.focus()
})

element("cut").addEventListener("click", ({ currentTarget }) => {
  // SAFETY: it is the button.
  if ((currentTarget as HTMLElement).ariaDisabled === "true") return
  stay?.cut()
  textInput.focus()
})

offline.addEventListener("click", () => setOffline(offline.ariaPressed !== "true"))

element("leave").addEventListener("click", () => {
  leave()
  nameInput.focus()
})

// Once: what is kept then is the next page's of this tab. If that is a page that was only frozen, it begins anew with it.
addEventListener("pagehide", () => {
  Memory.leave(lasting())
  // What waits is the next page's to say.
  stay?.leave()
  stay = undefined
  clearTimeout(typing)
}, { once: true })

// On a phone this is the last that a page hears of.
document.addEventListener("visibilitychange", () => {
  if (document.visibilityState === "hidden" && stay !== undefined) Memory.save(lasting())
})

addEventListener("pageshow", ({ persisted }) => {
  if (persisted) location.reload()
})

const { searchParams } = new URL(location.href)
// SAFETY: this page alone writes the state of its history.
const kept = (history.state as { readonly name: string } | null)?.name
const [givenName, givenRoom] = [searchParams.get("name") ?? kept, searchParams.get("room")]
nameInput.value = givenName ?? Memory.get("name")
roomInput.value = givenRoom ?? (Memory.get("room") || "lobby")
showLobby()

if (givenName !== undefined) tryToJoin()
else {
  if (givenRoom !== null) complain(roomInput, roomProblem(givenRoom.trim()))
  ;(nameInput.value === "" ? nameInput : roomInput).focus()
}
