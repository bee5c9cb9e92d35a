/** Tasks: create, list, get, update, delete, cancel. */
import type { ApiDeps } from '../deps.ts'
import type { RouteApp } from '../route-app.ts'
import { checkRepeatedId, deletedAnswer, idOr404, idParams, NOBODY, noQuery } from '../schemas/common.ts'
import { etagOf, ifMatchFrom, ifMatchHeaders } from '../schemas/etag.ts'
import { pageFrom, pageView } from '../schemas/page.ts'
import { problems, READING, WITH_BODY, WRITING } from '../schemas/problem.ts'
import {
  cancelTaskAnswer,
  cancelTaskBody,
  createTaskBody,
  listTasksAnswer,
  listTasksQuery,
  taskAnswer,
  taskFilterFrom,
  taskFrom,
  taskUpdateFrom,
  taskView,
  updateTaskBody,
} from '../schemas/task.ts'

export function addTaskRoutes(app: RouteApp, deps: ApiDeps): void {
  addCreate(app, deps)
  addList(app, deps)
  addGet(app, deps)
  addUpdate(app, deps)
  addDelete(app, deps)
  addCancel(app, deps)
}

function addCreate(app: RouteApp, { tasks }: ApiDeps): void {
  app.route({
    method: 'POST',
    url: '/api/v1/tasks',
    schema: {
      operationId: 'createTask',
      tags: ['tasks'],
      summary: 'Create a task',
      description: 'Says what is wanted; nothing runs until a run is created for it.',
      body: createTaskBody,
      response: {
        201: taskAnswer,
        ...problems(...WRITING, 'VALIDATION_PROJECT_ROOT', 'VALIDATION_SCOPE'),
      },
    },
    handler: async (request, reply) => {
      const task = await tasks.create(taskFrom(request.body.task), request.reservation?.subjectId)
      return reply
        .code(201)
        .header('etag', etagOf(task))
        .send({ task: taskView(task) })
    },
  })
}

function addList(app: RouteApp, { tasks }: ApiDeps): void {
  app.route({
    method: 'GET',
    url: '/api/v1/tasks',
    schema: {
      operationId: 'listTasks',
      tags: ['tasks'],
      summary: 'List tasks',
      description: 'Newest first. Pages hold still while tasks are added: go on with next_page_token.',
      querystring: listTasksQuery,
      response: { 200: listTasksAnswer, ...problems(...READING) },
    },
    handler: async ({ query }) => {
      const page = await tasks.list(taskFilterFrom(query), pageFrom(query))
      return { tasks: page.items.map(taskView), ...pageView(page) }
    },
  })
}

function addGet(app: RouteApp, { tasks }: ApiDeps): void {
  app.route({
    method: 'GET',
    url: '/api/v1/tasks/:id',
    schema: {
      operationId: 'getTask',
      tags: ['tasks'],
      summary: 'Get a task',
      description:
        'The task, with the status that follows from its newest run. Its ETag stands for what an update replaces, not for the status.',
      params: idParams,
      querystring: noQuery,
      response: { 200: taskAnswer, ...problems(...READING, 'NOT_FOUND_TASK') },
    },
    handler: async ({ params }, reply) => {
      const task = await tasks.get(idOr404(params.id, 'NOT_FOUND_TASK'))
      reply.header('etag', etagOf(task))
      return { task: taskView(task) }
    },
  })
}

function addUpdate(app: RouteApp, { tasks }: ApiDeps): void {
  app.route({
    method: 'PUT',
    url: '/api/v1/tasks/:id',
    schema: {
      operationId: 'updateTask',
      tags: ['tasks'],
      summary: 'Update a task',
      description:
        'Replaces title, description, scope_path, project_root and context_attachments; what is left out is emptied, who made the task stays. Runs that exist keep the prompt they were given. project_root can change while the task has no runs, scope_path while it has no unfinished ones.',
      params: idParams,
      querystring: noQuery,
      headers: ifMatchHeaders,
      body: updateTaskBody,
      response: {
        200: taskAnswer,
        ...problems(
          ...WRITING,
          'NOT_FOUND_TASK',
          'STATE_TRANSITION_INVALID',
          'PRECONDITION_FAILED',
          'VALIDATION_PROJECT_ROOT',
          'VALIDATION_SCOPE',
        ),
      },
    },
    handler: async ({ params, body, headers }, reply) => {
      const id = idOr404(params.id, 'NOT_FOUND_TASK')
      checkRepeatedId(id, body.task_id, 'task_id')
      const task = await tasks.update(id, taskUpdateFrom(body.task), ifMatchFrom(headers))
      reply.header('etag', etagOf(task))
      return { task: taskView(task) }
    },
  })
}

function addDelete(app: RouteApp, { tasks }: ApiDeps): void {
  app.route({
    method: 'DELETE',
    url: '/api/v1/tasks/:id',
    schema: {
      operationId: 'deleteTask',
      tags: ['tasks'],
      summary: 'Delete a task',
      description:
        'Only without unfinished runs: cancel it first. It is found no more and takes no runs; the runs it had, and their logs, stay. Repeating it is harmless.',
      params: idParams,
      querystring: noQuery,
      headers: ifMatchHeaders,
      response: {
        200: deletedAnswer,
        ...problems(
          ...READING,
          ...WITH_BODY,
          'POLICY_AGENT_CALLER',
          'NOT_FOUND_TASK',
          'STATE_TRANSITION_INVALID',
          'PRECONDITION_FAILED',
        ),
      },
    },
    handler: async ({ params, headers }) => {
      await tasks.delete(idOr404(params.id, 'NOT_FOUND_TASK'), ifMatchFrom(headers))
      return { success: true }
    },
  })
}

function addCancel(app: RouteApp, { taskCancel }: ApiDeps): void {
  app.route({
    method: 'POST',
    url: '/api/v1/tasks/:id/cancel',
    schema: {
      operationId: 'cancelTask',
      tags: ['tasks'],
      summary: 'Cancel a task',
      description:
        'Stops every unfinished run of the task and answers once that intent is durable; `task.status` follows when they have ended. A task that is approved, rejected or failed and has no unfinished run is a 409. Repeating it is harmless; a run that is created afterwards goes on.',
      params: idParams,
      querystring: noQuery,
      headers: ifMatchHeaders,
      body: cancelTaskBody,
      response: {
        200: cancelTaskAnswer,
        ...problems(
          ...WRITING,
          'NOT_FOUND_TASK',
          'STATE_TERMINAL',
          'STATE_TRANSITION_INVALID',
          'PRECONDITION_FAILED',
        ),
      },
    },
    handler: async ({ params, body, headers }, reply) => {
      const id = idOr404(params.id, 'NOT_FOUND_TASK')
      checkRepeatedId(id, body.task_id, 'task_id')
      const task = await taskCancel.cancel(id, body.actor ?? NOBODY, ifMatchFrom(headers))
      reply.header('etag', etagOf(task))
      return { success: true, status: 'cancelled', task: taskView(task) }
    },
  })
}
