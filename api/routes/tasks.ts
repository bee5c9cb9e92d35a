/** Tasks: create, get. */
import type { ApiDeps } from '../deps.ts'
import type { RouteApp } from '../route-app.ts'
import { idOr404, idParams, noQuery } from '../schemas/common.ts'
import { problems, READING, WRITING } from '../schemas/problem.ts'
import { createTaskBody, taskAnswer, taskFrom, taskView } from '../schemas/task.ts'

export function addTaskRoutes(app: RouteApp, { tasks }: ApiDeps): void {
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
      const task = await tasks.create(taskFrom(request.body.task))
      return reply.code(201).send({ task: taskView(task) })
    },
  })

  app.route({
    method: 'GET',
    url: '/api/v1/tasks/:id',
    schema: {
      operationId: 'getTask',
      tags: ['tasks'],
      summary: 'Get a task',
      description: 'The task, with the status that follows from its newest run.',
      params: idParams,
      querystring: noQuery,
      response: { 200: taskAnswer, ...problems(...READING, 'NOT_FOUND_TASK') },
    },
    handler: async (request) => ({
      task: taskView(await tasks.get(idOr404(request.params.id, 'NOT_FOUND_TASK'))),
    }),
  })
}
