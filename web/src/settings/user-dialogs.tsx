import { api, type Role, type User } from '@/lib/api'
import { data } from '@/lib/http'
import { asProblem } from '@/lib/problem'
import { Button } from '@/ui/button'
import { Radio } from '@/ui/choice'
import { Dialog } from '@/ui/dialog'
import { Field } from '@/ui/field'
import { Input } from '@/ui/input'
import { Note } from '@/ui/status'
import { toast } from '@/ui/toast'
import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState, type ReactNode, type SubmitEvent } from 'react'
import { roles } from './roles'

export const usersKey = ['users']

/** A question about a user, with what went wrong when it was answered. */
function Ask(props: {
  title: string
  description?: ReactNode
  action: string
  danger?: boolean
  onClose: () => void
  /** Does it; what it throws is shown. */
  act: () => Promise<unknown>
  /** What is said once it is done. */
  done: string
  children?: (faultOf: (field: string) => string | undefined) => ReactNode
}) {
  const queries = useQueryClient()
  const run = useMutation({
    mutationFn: props.act,
    onSuccess: async () => {
      toast.done(props.done)
      props.onClose()
      await queries.invalidateQueries({ queryKey: usersKey })
    },
  })
  const problem = run.error ? asProblem(run.error) : undefined
  function submit(event: SubmitEvent) {
    event.preventDefault()
    run.mutate()
  }
  return (
    <Dialog
      open
      onOpenChange={(next) => next || props.onClose()}
      title={props.title}
      description={props.description}
      footer={
        <>
          <Button onClick={props.onClose}>Cancel</Button>
          <Button look={props.danger ? 'danger' : 'primary'} type="submit" form="about-user" busy={run.isPending}>
            {props.action}
          </Button>
        </>
      }
    >
      <form id="about-user" onSubmit={submit} className="flex flex-col gap-4">
        {problem && problem.faults.length === 0 && (
          <div role="alert">
            <Note tone="bad">{problem.message}</Note>
          </div>
        )}
        {props.children?.((field) => problem?.faultOf(field))}
      </form>
    </Dialog>
  )
}

export function AddUser({ onClose }: { onClose: () => void }) {
  const [email, setEmail] = useState('')
  const [name, setName] = useState('')
  const [role, setRole] = useState<Role>('preparer')
  const [password, setPassword] = useState('')
  const body = {
    email: email.trim(),
    role,
    ...(name.trim() && { name: name.trim() }),
    ...(password && { password }),
  }
  return (
    <Ask
      title="Add a user"
      action="Add"
      onClose={onClose}
      act={() => data(api.POST('/api/users', { body }))}
      done={`${email.trim()} may sign in`}
    >
      {(faultOf) => (
        <>
          <Field label="E-mail address" error={faultOf('email')}>
            <Input type="email" required value={email} onChange={(event) => setEmail(event.target.value)} />
          </Field>
          <Field label="Name" optional>
            <Input maxLength={200} value={name} onChange={(event) => setName(event.target.value)} />
          </Field>
          <div>
            <p className="mb-1.5 text-sm font-medium">Role</p>
            <Radio label="Role" value={role} onChange={(next) => setRole(next as Role)} options={roles} />
          </div>
          <Field
            label="Password"
            optional
            hint="Tell it to them; they change it under Settings. Without one they sign in by OpenID Connect."
            error={faultOf('password')}
          >
            <Input
              type="password"
              autoComplete="new-password"
              value={password}
              onChange={(event) => setPassword(event.target.value)}
            />
          </Field>
        </>
      )}
    </Ask>
  )
}

export function ResetPassword({ user, onClose }: { user: User; onClose: () => void }) {
  const [password, setPassword] = useState('')
  return (
    <Ask
      title={`Password of ${user.email}`}
      description="They are signed out everywhere, and sign in with the new one."
      action="Set the password"
      onClose={onClose}
      act={() => data(api.PATCH('/api/users/{id}', { params: { path: { id: user.id } }, body: { password } }))}
      done={`${user.email} has a new password`}
    >
      {(faultOf) => (
        <Field
          label="New password"
          hint="At least 10 characters. A few unrelated words in a row make a good one."
          error={faultOf('password')}
        >
          <Input
            type="password"
            autoComplete="new-password"
            required
            value={password}
            onChange={(event) => setPassword(event.target.value)}
          />
        </Field>
      )}
    </Ask>
  )
}

export function DeleteUser({ user, onClose }: { user: User; onClose: () => void }) {
  return (
    <Ask
      title={`Delete ${user.email}?`}
      description="Their tokens stop working. What they did stays in the audit log and in the history of recipes. To keep the account for later, disable it instead."
      action="Delete"
      danger
      onClose={onClose}
      act={() => data(api.DELETE('/api/users/{id}', { params: { path: { id: user.id } } }))}
      done={`${user.email} is deleted`}
    />
  )
}
