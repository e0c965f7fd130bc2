/**
 * The room of those who look at a room: what passes there is sent here, and from here to their pages.
 *
 * It has the name of the room that is looked at, and is an object of its own. So a page is no connection of that room, and
 * holds nothing awake: its own object sleeps, too, until something passes. Who looks sends nothing. It must not be
 * reachable from outside but by `InspectorRoutes`, which ask who wants to look.
 *
 * **Example** (a Worker whose rooms can be looked at)
 *
 * ```ts
 * export class WindowInspector extends RoomObject.make(InspectorRoom.InspectorRoom, InspectorRoom.layer) {}
 *
 * const InspectorLive = Inspector.layer.pipe(
 *   Layer.provide(DurableRooms.layer(InspectorRoom.InspectorRoom, "INSPECTOR"))
 * )
 *
 * export class WindowRoom extends RoomObject.make(Window, Layer.merge(WindowLive, InspectorLive)) {}
 * ```
 */
import * as Schema from "effect/Schema"
import * as Room from "../services/Room.ts"
import * as Inspection from "./Inspection.ts"

/** The definition. The text `ping` is answered `pong` without waking anything. */
export const InspectorRoom = Room.make("inspector", {
  receive: Schema.Never,
  send: Schema.Union([Inspection.Inspection, Inspection.Events])
})

/** Its handlers: there is nothing to handle. */
export const layer = InspectorRoom.toLayer({})
