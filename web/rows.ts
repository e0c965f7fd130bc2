/**
 * The rows of a table that changes while somebody reads it and acts in it: what has not changed is not touched.
 */
import { make as create } from "./dom.ts"

/** The row of an item, whose key is its own. Buttons in it stay as they are for as long as the row is there. */
export interface Options<A> {
  readonly key: (item: A, index: number) => string
  readonly row: (item: A) => HTMLTableRowElement
  /** What stands there without any. */
  readonly empty: string
}

/** Makes what shows the items in a table's body. */
export const make = <A>(body: HTMLElement, { empty, key, row }: Options<A>) => {
  let shown = new Map<string, { readonly item: A; readonly row: HTMLTableRowElement }>()
  const table = body.closest("table")!
  const none = create("td", "none", empty)
  none.colSpan = table.querySelectorAll("thead th").length
  const nobody = create("tr", "", none)

  return (items: ReadonlyArray<A>) => {
    const before = shown
    shown = new Map()
    for (const [index, item] of items.entries()) {
      const id = key(item, index)
      const old = before.get(id)
      if (old === undefined) shown.set(id, { item, row: row(item) })
      else {
        if (old.item !== item) update(old.row, row(item))
        shown.set(id, { item, row: old.row })
      }
    }
    // Who stood in a row that goes stands in the next one, not on its button: a key that is held down presses again.
    const left = [...before].find(([id, { row }]) => !shown.has(id) && row.contains(document.activeElement))?.[1].row
    const at = left === undefined ? 0 : [...body.children].indexOf(left)
    for (const [id, { row }] of before) if (!shown.has(id)) row.remove()
    let next = body.firstElementChild
    for (const { row } of shown.values()) {
      if (row === next) next = row.nextElementSibling
      else body.insertBefore(row, next)
    }
    if (items.length === 0) body.append(nobody)
    else nobody.remove()
    if (left === undefined) return
    const neighbour = body.children[at] ?? body.lastElementChild
    ;(neighbour?.querySelector<HTMLElement>("th[tabindex]") ?? table.parentElement!).focus()
  }
}

const update = (row: HTMLTableRowElement, fresh: HTMLTableRowElement) => {
  for (const [index, cell] of [...fresh.cells].entries()) {
    const old = row.cells[index]!
    if (old.querySelector("button") === null && !old.isEqualNode(cell)) old.replaceWith(cell)
  }
}
