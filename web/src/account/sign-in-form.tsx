import { api } from '@/lib/api'
import { data } from '@/lib/http'
import type { Me } from '@/lib/me'
import { asProblem } from '@/lib/problem'
import { Button } from '@/ui/button'
import { Field } from '@/ui/field'
import { Input } from '@/ui/input'
import { Note } from '@/ui/status'
import { queryOptions, useMutation, useQuery } from '@tanstack/react-query'
import { useState, type SubmitEvent } from 'react'

/** Asks how one can sign in here. */
export const waysQuery = queryOptions({
  queryKey: ['ways'],
  queryFn: ({ signal }) => data(api.GET('/api/auth', { signal })),
})

export interface SignInFormProps {
  /** Who is asked for the password; without, the address is asked for too. */
  email?: string
  /** Where the OpenID provider sends people back to. */
  next: string
  /** The provider's page opens beside this one, which keeps what is on it. */
  beside?: boolean
  onDone: (me: Me) => void
}

/** Every way to sign in that there is here. */
export function SignInForm({ email: known, next, beside, onDone }: SignInFormProps) {
  const ways = useQuery(waysQuery).data
  const [email, setEmail] = useState(known ?? '')
  const [password, setPassword] = useState('')
  const signIn = useMutation({
    mutationFn: () => data(api.POST('/api/auth/sign-in', { body: { email: email.trim(), password } })),
    onSuccess: (me) => onDone({ ...me, permissions: me.permissions ?? [] }),
    onError: () => setPassword(''),
  })
  function submit(event: SubmitEvent) {
    event.preventDefault()
    signIn.mutate()
  }
  const problem = signIn.error ? asProblem(signIn.error) : undefined
  return (
    <div className="flex flex-col gap-4">
      {ways?.oidc !== undefined && (
        <>
          <Button asChild look="primary">
            <a
              href={`/api/auth/oidc/start?return_to=${encodeURIComponent(next)}`}
              {...(beside && { target: '_blank', rel: 'noreferrer' })}
            >
              Sign in with {ways.oidc}
            </a>
          </Button>
          <p className="flex items-center gap-3 text-xs text-muted before:h-px before:flex-1 before:bg-line after:h-px after:flex-1 after:bg-line">
            or with a password
          </p>
        </>
      )}
      <form onSubmit={submit} className="flex flex-col gap-3">
        {problem && (
          <div role="alert">
            <Note tone="bad">{problem.message}</Note>
          </div>
        )}
        <Field label="E-mail address">
          <Input
            type="email"
            name="email"
            autoComplete="username"
            required
            readOnly={known !== undefined}
            value={email}
            onChange={(event) => setEmail(event.target.value)}
          />
        </Field>
        <Field label="Password">
          <Input
            type="password"
            name="password"
            autoComplete="current-password"
            required
            value={password}
            onChange={(event) => setPassword(event.target.value)}
          />
        </Field>
        <Button
          type="submit"
          look={ways?.oidc === undefined ? 'primary' : 'secondary'}
          busy={signIn.isPending}
          className="mt-1"
        >
          Sign in
        </Button>
      </form>
      {ways?.local && (
        <p className="text-xs text-muted">
          On your own machine there is no password: open the link that <code className="font-mono">kalla up</code>{' '}
          prints when it starts.
        </p>
      )}
    </div>
  )
}
