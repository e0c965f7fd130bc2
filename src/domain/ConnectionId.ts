/**
 * The name of one connection, minted by the server.
 *
 * A client never chooses it. So two sockets never share one, and no client can take another's.
 */
import * as Schema from "effect/Schema"

/** A lower-case UUID, version 4. */
export const ConnectionId = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/u)),
  Schema.brand("ConnectionId")
)

export type ConnectionId = typeof ConnectionId.Type

/**
 * Makes a new id. It comes from the platform's secure random source.
 *
 * `effect/crypto/SecureRandom` does the same, but adds 1.4 KiB to the gzipped Worker.
 */
export const mint = (): ConnectionId => ConnectionId.make(crypto.randomUUID())

/** Tells a connection id from any other value. */
export const is: (value: unknown) => value is ConnectionId = Schema.is(ConnectionId)
