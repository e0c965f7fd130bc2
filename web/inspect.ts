/**
 * The inspector: looks into a room, and keeps nothing awake by that.
 */
import { complain, element, segment } from "./dom.ts"
import { tokenProblem } from "./look.ts"
import { roomProblem } from "./names.ts"
import * as Watch from "./watch.ts"

const start = element("start")
const [roomInput, tokenInput] = [element<HTMLInputElement>("room"), element<HTMLInputElement>("token")]

// Every watch has a page of its own, on which nothing stands yet.
const pristine = element("inspector")
pristine.remove()
pristine.hidden = false

const begin = (name: string, token: string) => {
  // SAFETY: a clone is what it was made of.
  const page = pristine.cloneNode(true) as HTMLElement
  const leave = () => {
    page.remove()
    start.hidden = false
    document.title = "Inspector · Dormouse"
  }
  start.hidden = true
  document.body.append(page)
  history.replaceState(null, "", `/inspect/${segment(name)}`)
  document.title = `${name} · Inspector`
  const stop = Watch.begin({ page, name, token }, ({ problem, status }) => {
    leave()
    const wrong = status === 400 ? roomInput : tokenInput
    complain(wrong, problem)
    wrong.focus()
  })
  element("leave").addEventListener("click", () => {
    stop()
    leave()
    tokenInput.value = ""
    tokenInput.focus()
  })
}

element("look").addEventListener("submit", (event) => {
  event.preventDefault()
  const name = roomInput.value.trim()
  const token = tokenInput.value.trim()
  complain(roomInput, roomProblem(name))
  complain(tokenInput, tokenProblem(token))
  const wrong = [roomInput, tokenInput].find((input) => input.ariaInvalid === "true")
  if (wrong) wrong.focus()
  else begin(name, token)
})

for (const input of [roomInput, tokenInput]) input.addEventListener("input", () => complain(input, ""))

const [, , name = ""] = location.pathname.split("/")
try {
  roomInput.value = decodeURIComponent(name)
} catch {
  roomInput.value = name
}
;(roomInput.value === "" ? roomInput : tokenInput).focus()
