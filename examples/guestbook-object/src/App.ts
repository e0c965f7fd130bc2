/**
 * The same guestbooks over HTTP. Each book has a database of its own, so who reads one asks its room.
 */
import * as Effect from "effect/Effect"
import * as HttpRouter from "effect/http/HttpRouter"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Rooms from "../../../src/services/Rooms.ts"
import { Params, RoomsRoutes } from "../../guestbook/src/App.ts"
import { Guestbook } from "../../guestbook/src/Guestbook.ts"

const Read = HttpRouter.use(Effect.fnUntraced(function*(router) {
  const books = yield* Rooms.key(Guestbook)
  yield* router.add(
    "GET",
    "/books/:book/entries",
    Effect.gen(function*() {
      const { book } = yield* Params
      return yield* HttpServerResponse.json(yield* books.get(book).entries())
    })
  )
}))

/** All routes. They need the rooms of the guestbook, and no database. */
export const Routes = Layer.merge(Read, RoomsRoutes)
