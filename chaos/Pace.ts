/**
 * What the rate of a connection's messages can be, seen from outside: a bucket of which only bounds are known, since nobody
 * sees when exactly the room takes a message.
 */
import { limits } from "./Annals.ts"

const { messageBurst, messagesPerSecond, rateViolations } = limits

export class Pace {
  // How many messages may be said at once, at least and at most.
  #least: number = messageBurst
  #most: number = messageBurst
  // When that was so, in milliseconds.
  #at: number
  // Messages in a row that were refused.
  #violations = 0
  readonly #blur: number

  /** The bucket of a connection that enters. Times of the room and of the run differ by as many messages as `blur`. */
  constructor(at: number, blur: number) {
    this.#at = at
    this.#blur = blur
  }

  /**
   * What is wrong with what became of messages between two times: each was refused or not, and then the connection was
   * closed for its rate or not.
   */
  judge(refused: ReadonlyArray<boolean>, isClosed: boolean, from: number, to: number): ReadonlyArray<string> {
    const problems: Array<string> = []
    const earned = (millis: number) => Math.max(0, millis) * messagesPerSecond / 1_000
    const least = Math.min(messageBurst, this.#least + earned(from - this.#at))
    const most = Math.min(messageBurst, this.#most + earned(from - this.#at)) + earned(to - from)
    const taken = refused.filter((is) => !is).length
    if (taken > most + this.#blur) problems.push(`${taken} messages were taken, and at most ${Math.floor(most)} may be`)
    if ((isClosed || taken < refused.length) && taken < Math.floor(least - this.#blur)) {
      problems.push(`${taken} messages were taken, and ${Math.floor(least)} may be`)
    }
    for (const is of refused) {
      this.#violations = is ? this.#violations + 1 : 0
      if (this.#violations >= rateViolations) problems.push(`${this.#violations} messages in a row were refused`)
    }
    if (isClosed && this.#violations !== rateViolations - 1) {
      problems.push(`the connection was closed for its rate after ${this.#violations} refused messages`)
    }
    this.#least = Math.max(0, least - taken)
    this.#most = Math.min(messageBurst, Math.max(0, most - taken))
    this.#at = to
    return problems
  }
}
