// The way of a conversation to the server and back.
import { api } from '@/lib/api'
import { data } from '@/lib/http'
import { Problem } from '@/lib/problem'
import { queryOptions } from '@tanstack/react-query'
import { reread, type Click, type Conversation, type Detail, type Session } from './conversation'

/** One's conversations, newest first. */
export const chatsQuery = queryOptions({
  queryKey: ['chats'],
  queryFn: async ({ signal }): Promise<Session[]> =>
    (await data(api.GET('/api/chat/sessions', { params: { query: { limit: 200 } }, signal }))) ?? [],
})

/** A conversation; its events are put into it as they come: see useConversation. */
export const chatQuery = (id: string) =>
  queryOptions({
    queryKey: ['chat', id],
    queryFn: async ({ signal, client, queryKey }): Promise<Conversation> => {
      const detail = await data(api.GET('/api/chat/sessions/{id}', { params: { path: { id } }, signal }))
      return reread(client.getQueryData<Conversation>(queryKey), detail)
    },
    staleTime: Infinity,
  })

/** Begins a conversation: the assistant says the first word. */
export const begin = (): Promise<Detail> => data(api.POST('/api/chat/sessions', { body: {} }))

/** Says something, in a new conversation where none is named; `edit` names the own message that it replaces. Answers the conversation. */
export async function say(message: string, session_id?: string, edit?: string): Promise<string> {
  const body = { message, ...(session_id !== undefined && { session_id }), ...(edit !== undefined && { edit }) }
  return (await data(api.POST('/api/chat', { body }))).session_id
}

/** Answers a card. */
export function click(id: string, card_id: string, answer: Click) {
  return data(api.POST('/api/chat/sessions/{id}/actions', { params: { path: { id } }, body: { card_id, ...answer } }))
}

/** Answers a card as soon as the assistant has done with what it is at: another file may have come before. */
export async function clickInTurn(id: string, card: string, answer: Click, signal: AbortSignal): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await click(id, card, answer)
      return
    } catch (cause) {
      if (!(cause instanceof Problem && cause.status === 409) || tries === 60 || signal.aborted) throw cause
      await new Promise((resolve) => setTimeout(resolve, 500))
    }
  }
}

/** Stops the answer that is being made; what was written of it stays. */
export const stop = (id: string) => data(api.POST('/api/chat/sessions/{id}/stop', { params: { path: { id } } }))

/** Says whose values the model may see. */
export const share = (id: string, share_values: string[]) =>
  data(api.PATCH('/api/chat/sessions/{id}', { params: { path: { id } }, body: { share_values } }))

export const remove = (id: string) => data(api.DELETE('/api/chat/sessions/{id}', { params: { path: { id } } }))
