/**
 * The port to a room's own database: the SQLite of its Durable Object, and the same in memory and in Node.
 *
 * What it keeps outlives sleeps, crashes and restarts. The methods of the port are plain and synchronous, and throw
 * what the database throws. {@link exec} and {@link transaction} do the same as effects with typed errors.
 *
 * **Example** (a room that counts its messages)
 *
 * ```ts
 * const count = Effect.gen(function*() {
 *   yield* Storage.exec("CREATE TABLE IF NOT EXISTS said (text TEXT)")
 *   yield* Storage.exec("INSERT INTO said VALUES (?)", "hello")
 *   const [row] = yield* Storage.exec<{ readonly n: number }>("SELECT count(*) AS n FROM said")
 *   return row?.n
 * })
 * ```
 */
import * as Cause from "effect/Cause"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Limits from "../domain/Limits.ts"
import * as StorageError from "../domain/StorageError.ts"

/**
 * What a row holds. A number that is bound is a REAL, unless its column makes an INTEGER of it. Integers are exact up
 * to 2^53.
 */
export type Value = string | number | null | ArrayBuffer

/** What may be bound to a `?` of a statement. */
export type Binding = Value | Uint8Array<ArrayBuffer>

/** A row, by the names of its columns. */
export type Row = Readonly<Record<string, Value>>

export class Storage extends Context.Service<Storage, {
  /**
   * Runs a statement, or some that are separated by `;`, and gives the rows of the last one. The bindings belong to the
   * last one. A transaction is begun and ended by `transaction` alone: never use `OR ROLLBACK`, nor `RAISE(ROLLBACK)`.
   * They end the transaction that a Durable Object is always in, and the object with it.
   */
  readonly exec: (statements: string, ...bindings: ReadonlyArray<Binding>) => ReadonlyArray<Row>
  /** Runs a function in a transaction. If it throws, nothing of it is kept. Transactions nest. */
  readonly transaction: <A>(body: () => A) => A
  /** Deletes everything that the room has stored, and its alarm. What is read afterwards is empty at once. */
  readonly clear: Effect.Effect<void>
}>()("effect-dormouse/services/Storage") {}

/**
 * Runs statements, as the port does. Fails with a `StorageError`.
 */
export const exec = <R extends { readonly [Column in keyof R]: Value } = Row>(
  statements: string,
  ...bindings: ReadonlyArray<Binding>
): Effect.Effect<ReadonlyArray<R>, StorageError.StorageError, Storage> =>
  Storage.use((storage) =>
    // SAFETY: the caller says which columns the statement gives.
    attempt(() => execIn(storage, statements, bindings) as ReadonlyArray<unknown> as ReadonlyArray<R>)
  )

// The transaction that a fiber is in. What goes on after its end has no part in it any more.
interface Transaction {
  readonly outer?: Transaction
  hasEnded?: boolean
  /** Runs a function when it has ended, however it did. */
  readonly afterwards: (run: () => void) => void
  /** What runs when the outermost one has kept everything; `undefined` outside of all. */
  readonly committed?: Array<Effect.Effect<void>>
}

const Transaction = Context.Reference<Transaction>("effect-dormouse/services/Storage/Transaction", {
  defaultValue: () => ({ afterwards: (run) => run() })
})

const hasEnded = () => new Error("The transaction of this statement has ended.")

/** Runs a function at once, or when the transactions have ended that this is in, however they did. */
export const afterwards = (run: () => void): Effect.Effect<void> =>
  Effect.map(Transaction, ({ afterwards }) => afterwards(run))

/** Runs an effect at once, or when the transactions that this is in have kept everything. It may wait. */
export const onCommit = <R>(effect: Effect.Effect<void, never, R>): Effect.Effect<void, never, R> =>
  Effect.withFiber<void, never, R>((fiber) => {
    let transaction = fiber.getRef(Transaction)
    while (transaction.hasEnded && transaction.outer !== undefined) transaction = transaction.outer
    const outside = Effect.updateContext(effect, Context.omit(Transaction)<R>)
    if (transaction.committed === undefined) return outside
    // SAFETY: the context of the fiber has what the effect needs.
    transaction.committed.push(Effect.provideContext(outside, fiber.context as Context.Context<R>))
    return Effect.void
  })

/** What uses the port itself, as an effect with typed errors. What a transaction has left behind uses it no more. */
export const attempt = <A>(use: () => A): Effect.Effect<A, StorageError.StorageError> =>
  attemptOr(use, StorageError.from)

/** Uses the port as {@link attempt} does, for who has errors of its own. */
export const attemptOr = <A, E>(use: () => A, onThrow: (cause: unknown) => E): Effect.Effect<A, E> =>
  Effect.withFiber<A, E>((fiber) => {
    try {
      if (fiber.getRef(Transaction).hasEnded) throw hasEnded()
      return Effect.succeed(use())
    } catch (cause) {
      return Effect.fail(onThrow(cause))
    }
  })

/**
 * Runs an effect in a transaction. If it fails, dies or is interrupted, nothing that it has stored is kept. It must not
 * wait: an effect that does so dies, and is rolled back. What it has sent meanwhile has left.
 */
export const transaction = <A, E, R>(
  effect: Effect.Effect<A, E, R>
): Effect.Effect<A, E | StorageError.StorageError, R | Storage> =>
  Storage.use((storage) => transactionIn(storage, effect, StorageError.from))

/** Runs statements as {@link exec} does, for who has the port at hand: at once, and throwing. */
export const execIn = (
  storage: Storage["Service"],
  statements: string,
  bindings: ReadonlyArray<Binding>
): ReadonlyArray<Row> => {
  bindings.forEach(check)
  return storage.exec(statements, ...bindings)
}

/** Runs an effect in a transaction as {@link transaction} does, for who has the port at hand, and its own errors. */
export const transactionIn = <A, E, R, E2>(
  storage: Storage["Service"],
  effect: Effect.Effect<A, E, R>,
  onThrow: (cause: unknown) => E2
): Effect.Effect<A, E | E2, R> =>
  Effect.withFiber<A, E | E2, R>((fiber) => {
    let exit: Exit.Exit<A, E> | undefined
    const outer = fiber.getRef(Transaction)
    if (outer.hasEnded) return Effect.fail(onThrow(hasEnded()))
    const ends: Array<() => void> = []
    const committed: Array<Effect.Effect<void>> = []
    const transaction: Transaction = {
      outer,
      committed,
      afterwards: (run) => transaction.hasEnded ? outer.afterwards(run) : void ends.push(run)
    }
    try {
      const done = storage.transaction(() => {
        const within = Effect.provideService(effect, Transaction, transaction)
        // SAFETY: the context of the fiber has what the effect needs.
        exit = now(Effect.runSyncExitWith(fiber.context as Context.Context<R>)(within))
        if (Exit.isFailure(exit)) throw new Error("The transaction is rolled back.")
        return exit
      })
      if (outer.committed === undefined) return Effect.andThen(settle(committed), done)
      outer.committed.push(...committed)
      return done
    } catch (cause) {
      return exit !== undefined && Exit.isFailure(exit) ? exit : Effect.fail(onThrow(cause))
    } finally {
      transaction.hasEnded = true
      ends.forEach(outer.afterwards)
    }
  })

// One that dies does not keep the others from what they do.
const settle = (committed: ReadonlyArray<Effect.Effect<void>>): Effect.Effect<void> =>
  committed.length === 0 ? Effect.void : Effect.uninterruptible(Effect.forEach(
    committed,
    (effect) =>
      Effect.catchCause(
        effect,
        (cause) => Effect.logError("What waited for the commit of a transaction failed", cause)
      ),
    { discard: true }
  ))

// What waits would go on outside of the transaction.
const now = <A, E>(exit: Exit.Exit<A, E>): Exit.Exit<A, E> => {
  if (Exit.isFailure(exit)) {
    for (const reason of exit.cause.reasons) {
      if (!Cause.isDieReason(reason) || !Cause.isAsyncFiberError(reason.defect)) continue
      reason.defect.fiber.interruptUnsafe()
      return Exit.die(new Error("A transaction cannot wait: its effect was not done at once."))
    }
  }
  return exit
}

/** Throws a `StorageError` if a binding is too big. A local workerd takes more than Cloudflare's network does. */
export const check = (binding: Binding) => {
  const isTooBig = typeof binding === "string"
    ? binding.length * 3 > Limits.storedBytes && Limits.utf8Bytes(binding) > Limits.storedBytes
    : binding !== null && typeof binding === "object" && binding.byteLength > Limits.storedBytes
  if (isTooBig) throw new StorageError.StorageError({ reason: new StorageError.TooBig({}) })
}
