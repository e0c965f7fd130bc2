/**
 * The page: joins a room under a name, shows who comes and goes, and talks.
 */
import * as Conversation from "./conversation.ts"
import { complain, element } from "./dom.ts"
import * as Memory from "./memory.ts"
import { nameProblem, roomProblem, textProblem } from "./names.ts"
import * as Stay from "./stay.ts"

const [lobby, chat, sayForm] = [element("lobby"), element("chat"), element("say")]
const [nameInput, roomInput] = [element<HTMLInputElement>("name"), element<HTMLInputElement>("room")]
const textInput = element<HTMLTextAreaElement>("text")
const offline = element("offline")
const conversation = Conversation.make()

let stay: Stay.Stay | undefined

const setOffline = (value: boolean) => {
  offline.ariaPressed = String(value)
  stay?.offline(value)
}

const join = (room: string, name: string) => {
  Memory.set("room", room)
  Memory.set("name", name)
  const url = new URL(location.href)
  url.searchParams.set("room", room)
  // Who is given this address is somebody else. One's own name stays in the entry of the history: it outlives a reload,
  // which is thus no leave.
  url.searchParams.delete("name")
  history.replaceState({ name }, "", url)
  lobby.hidden = true
  chat.hidden = false
  textInput.value = Memory.recall(room, name)?.draft ?? ""
  setOffline(false)
  stay = Stay.enter(conversation, { room, name }, (text, why) => {
    if (textInput.value === "") textInput.value = text
    complain(textInput, why)
  })
  conversation.toEnd()
  textInput.focus()
}

element("join").addEventListener("submit", (event) => {
  event.preventDefault()
  const name = nameInput.value.trim()
  const room = roomInput.value.trim()
  complain(nameInput, nameProblem(name))
  complain(roomInput, roomProblem(room))
  const wrong = [nameInput, roomInput].find((input) => input.ariaInvalid === "true")
  if (wrong) wrong.focus()
  else join(room, name)
})

const submitText = () => {
  const text = textInput.value.trim()
  if (text === "" || stay === undefined) return
  const problem = textProblem(text) || stay.say(text)
  complain(textInput, problem)
  if (problem === "") textInput.value = ""
}

sayForm.addEventListener("submit", (event) => {
  event.preventDefault()
  submitText()
  textInput.focus()
})

for (const input of [nameInput, roomInput, textInput]) input.addEventListener("input", () => complain(input, ""))

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

element("cut").addEventListener("click", () => {
  stay?.cut()
  textInput.focus()
})

offline.addEventListener("click", () => setOffline(offline.ariaPressed !== "true"))

element("leave").addEventListener("click", () => {
  stay?.leave()
  stay = undefined
  textInput.value = ""
  complain(textInput, "")
  history.replaceState(null, "")
  chat.hidden = true
  lobby.hidden = false
  nameInput.focus()
})

addEventListener("pagehide", () => stay?.keep(textInput.value))

// A page that was only frozen has it all.
addEventListener("pageshow", ({ persisted }) => {
  if (persisted) Memory.forget()
})

const { searchParams } = new URL(location.href)
// SAFETY: this page alone writes the state of its history.
const kept = (history.state as { readonly name: string } | null)?.name
nameInput.value = searchParams.get("name") ?? kept ?? Memory.get("name")
roomInput.value = searchParams.get("room") ?? (Memory.get("room") || "lobby")

const named = (searchParams.get("name") ?? kept)?.trim()
if (named !== undefined && roomProblem(roomInput.value) === "" && nameProblem(named) === "") {
  join(roomInput.value, named)
} else if (nameInput.value === "") {
  nameInput.focus()
} else {
  roomInput.focus()
}
