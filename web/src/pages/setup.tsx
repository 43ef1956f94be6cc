import { Outside } from '@/account/outside'
import { api } from '@/lib/api'
import { data } from '@/lib/http'
import { meQuery } from '@/lib/me'
import { asProblem } from '@/lib/problem'
import { Button } from '@/ui/button'
import { Field } from '@/ui/field'
import { Input } from '@/ui/input'
import { Note } from '@/ui/status'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useRouter } from '@tanstack/react-router'
import { useState, type SubmitEvent } from 'react'

/** Makes the first administrator, for whoever can read the log. */
export function Setup() {
  const router = useRouter()
  const queries = useQueryClient()
  const [token, setToken] = useState(() => new URLSearchParams(location.search).get('token') ?? '')
  const [fromLink] = useState(token !== '')
  const [name, setName] = useState('')
  const [email, setEmail] = useState('')
  const [password, setPassword] = useState('')
  const setup = useMutation({
    mutationFn: () =>
      data(
        api.POST('/api/auth/setup', {
          body: { token: token.trim(), email: email.trim(), password, ...(name.trim() && { name: name.trim() }) },
        }),
      ),
    onSuccess: (me) => {
      queries.clear()
      queries.setQueryData(meQuery.queryKey, { ...me, permissions: me.permissions ?? [] })
      // The token is used up and stays out of the history.
      router.history.replace('/')
    },
  })
  const problem = setup.error ? asProblem(setup.error) : undefined
  function submit(event: SubmitEvent) {
    event.preventDefault()
    setup.mutate()
  }
  return (
    <Outside title="Set up Kalla" about="The first account is an administrator's. It adds the others.">
      <form onSubmit={submit} className="flex flex-col gap-3">
        {problem && problem.faults.length === 0 && (
          <div role="alert">
            <Note tone="bad">{problem.message}</Note>
          </div>
        )}
        {!fromLink && (
          <Field
            label="Setup token"
            hint="Kalla wrote it to its log when it started."
            error={problem?.faultOf('token')}
          >
            <Input required value={token} onChange={(event) => setToken(event.target.value)} />
          </Field>
        )}
        <Field label="Name" optional>
          <Input autoComplete="name" value={name} onChange={(event) => setName(event.target.value)} />
        </Field>
        <Field label="E-mail address" error={problem?.faultOf('email')}>
          <Input
            type="email"
            autoComplete="username"
            required
            value={email}
            onChange={(event) => setEmail(event.target.value)}
          />
        </Field>
        <Field
          label="Password"
          hint="At least 10 characters. A few unrelated words in a row make a good one."
          error={problem?.faultOf('password')}
        >
          <Input
            type="password"
            autoComplete="new-password"
            required
            value={password}
            onChange={(event) => setPassword(event.target.value)}
          />
        </Field>
        <Button type="submit" look="primary" busy={setup.isPending} className="mt-1">
          Make the account
        </Button>
      </form>
    </Outside>
  )
}
