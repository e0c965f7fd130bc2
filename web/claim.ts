/**
 * Whose the storage of a tab is.
 *
 * A tab may be killed, and what it had written is there for the page that comes next. But a tab may also be copied, with
 * its storage, and two that take up the same would say it twice. So a page signs what it writes, and counts; how far it
 * has come stands where every tab sees it. What a page has signed is taken up by one, once that page is gone, and only the
 * last that it wrote.
 */

/** Where storage is forbidden or full there is nothing. */
export const attempt = <A>(run: () => A): A | undefined => {
  try {
    return run()
  } catch {
    return undefined
  }
}

const slot = (page: string) => `dormouse.page.${page}`

const forget = (page: string) => attempt(() => localStorage.removeItem(slot(page)))

/** Who signs, and how often it has. */
export interface Signer {
  /** The next signature. */
  readonly next: () => string
  /** Lets others see the last one. Says whether they can. */
  readonly publish: () => boolean
  /** Nothing is left to be taken up. */
  readonly forget: () => void
}

const signer = (page: string): Signer => {
  let count = 0
  return {
    next: () => `${page} ${++count}`,
    publish: () =>
      attempt(() => {
        localStorage.setItem(slot(page), `${count}`)
        return true
      }) ?? false,
    forget: () => forget(page)
  }
}

const random = () => Math.random().toString(36).slice(2)

// A page that lives holds the lock of its name.
const locks: LockManager | undefined = navigator.locks

/** Signs for a page, as long as it lives. */
export const living = (): Signer => {
  const page = random()
  locks?.request(page, () => new Promise(() => {})).catch(() => {})
  return signer(page)
}

const left = "left-"

/** Signs for a page that leaves something to the next one. */
export const leaving = (): Signer => signer(`${left}${random()}`)

const take = (page: string, count: string): boolean =>
  attempt(() => {
    const last = localStorage.getItem(slot(page))
    // Somebody has taken it, or it is a copy of what was there before.
    if (last === null || Number(count) < Number(last)) return false
    forget(page)
    return true
  }) ?? false

/** Whether one may take up what is signed so. Nobody else may, then. */
export const isMine = async (signature: string): Promise<boolean> => {
  // At once: whoever comes for the first time may type already.
  if (signature === "") return false
  const [page = "", count = ""] = signature.split(" ")
  // Without locks, which only a secure context has, nobody knows who lives.
  if (locks === undefined) return page.startsWith(left) && take(page, count)
  return await locks.request(page, { ifAvailable: true }, (lock) => lock !== null && take(page, count))
    .catch(() => false)
}
