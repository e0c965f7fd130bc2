/**
 * What was typed in this tab and has not been told, as the lobby shows it: it can be taken up again, or thrown away.
 */
import { element, make } from "./dom.ts"
import * as Memory from "./memory.ts"
import { visible } from "./names.ts"

const count = (many: number, one: string, more: string) => many === 0 ? [] : [many === 1 ? one : `${many} ${more}`]

const describe = ({ doubtful, draft, waiting }: Memory.Kept) =>
  [
    ...count(waiting.length, "a message waits", "messages wait"),
    ...count(doubtful.length, "a message may not have arrived", "messages may not have arrived"),
    ...count(draft.trim() === "" ? 0 : 1, "a message is not finished", "")
  ].join(", ")

/** Shows it. Either button calls back, the first with the stay that one returns to. */
export const show = (join: (room: string, name: string) => void, discarded: () => void) => {
  const stays = Memory.unfinished()
  element("unfinished").hidden = stays.length === 0
  element("stays").replaceChildren(...stays.map((stay) => {
    const [again, discard] = [make("button", "small", "Join again"), make("button", "small", "Discard")]
    const id = (part: string) => `${part}-${stays.indexOf(stay)}`
    const what = make("p", "", make("strong", "", stay.room), " as ", make("bdi", "", visible(stay.name)))
    what.append(make("span", "hint", describe(stay)))
    what.id = id("stay")
    for (const button of [again, discard]) button.setAttribute("aria-describedby", what.id)
    again.addEventListener("click", () => join(stay.room, stay.name))
    discard.addEventListener("click", () => {
      Memory.recall(stay)
      Memory.saveUnsaid()
      show(join, discarded)
      discarded()
    })
    return make("li", "", what, again, discard)
  }))
}
