/**
 * The little that both pages need of the document. What people have typed enters it as text only.
 */

/** The element with an id. */
export const element = <E extends HTMLElement = HTMLElement>(id: string): E => {
  const found = document.getElementById(id)
  if (found === null) throw new Error(`There is no #${id}`)
  // SAFETY: the page says what it is.
  return found as E
}

/** A new element. */
export const make = <K extends keyof HTMLElementTagNameMap>(
  tag: K,
  className = "",
  ...content: ReadonlyArray<string | Node>
): HTMLElementTagNameMap[K] => {
  const made = document.createElement(tag)
  if (className !== "") made.className = className
  made.append(...content)
  return made
}

/** What is high scrolls in its place, also with the keyboard. */
export const scrolls = (made: HTMLElement) => {
  made.classList.add("long")
  made.tabIndex = 0
}

/** A field that is wrong, and why; `""` if it is right. */
export const complain = (input: HTMLElement, problem: string) => {
  element(`${input.id}-problem`).textContent = problem
  if (problem === "") input.removeAttribute("aria-invalid")
  else input.setAttribute("aria-invalid", "true")
}

/** What a button does, and not again before it is done. It keeps the focus meanwhile, which `disabled` would take. */
export const once = (button: HTMLElement, act: () => Promise<void>) => async () => {
  if (button.ariaDisabled !== null) return
  button.ariaDisabled = "true"
  await act()
  button.ariaDisabled = null
}

/** A list that follows its end, unless somebody reads further up. `latest` leads back there. */
export const follow = (log: HTMLElement, latest: HTMLElement, kept: number) => {
  const isAtEnd = () => log.scrollHeight - log.scrollTop - log.clientHeight < 48
  let follows = true
  let lastTop = 0
  let isNew = false
  const follow = (value: boolean) => {
    follows = value
    // Who reads further up stays where he is when the oldest go. At the end it is the end that stays.
    log.style.overflowAnchor = value ? "none" : "auto"
  }
  // A button that goes takes no focus with it.
  const reached = () => {
    if (document.activeElement === latest) log.focus()
    latest.hidden = true
  }
  const toEnd = () => {
    follow(true)
    log.scrollTop = log.scrollHeight
    lastTop = log.scrollTop
    reached()
  }
  log.addEventListener("scroll", () => {
    if (isAtEnd()) {
      follow(true)
      reached()
      // What has come since is no reason to stop following. Only somebody who reads scrolls up.
    } else if (log.scrollTop < lastTop) follow(false)
    lastTop = log.scrollTop
  }, { passive: true })
  // Once a frame, however much is said: each look at the height costs a layout. The keyboard of a phone takes half of the
  // window away, too.
  const grown = new ResizeObserver(() => {
    if (follows) toEnd()
    else if (isNew) latest.hidden = false
    isNew = false
  })
  grown.observe(log)
  latest.addEventListener("click", toEnd)
  return {
    toEnd,
    append: (list: HTMLElement, entry: HTMLElement | DocumentFragment, always = false) => {
      if (always) follow(true)
      grown.observe(list)
      list.append(entry)
      while (list.childElementCount > kept) list.firstElementChild?.remove()
      isNew = true
    }
  }
}

const short = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" })
const long = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23"
})

/** A time of the day. */
export const time = (at: number, format = short): HTMLTimeElement => {
  const made = make("time", "", format.format(at))
  made.dateTime = new Date(at).toISOString()
  made.title = new Date(at).toLocaleString()
  return made
}

/** The same with seconds. */
export const exactTime = (at: number) => time(at, long)

/** The time of the next attempt, in words. */
export const nextAttempt = (until: number) =>
  `next attempt at ${long.format(until)}, in ${Math.max(0, Math.ceil((until - Date.now()) / 1_000))} s`

/** A path segment and a subprotocol have fewer characters than a text. */
export const segment = encodeURIComponent
