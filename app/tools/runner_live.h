/*
 * What the program and its runner agree on before they can speak.
 */
#ifndef APP_TOOLS_RUNNER_LIVE_H
#define APP_TOOLS_RUNNER_LIVE_H

#define RUNNER_NAME "dsv4chat-runner" /* argv[0] */
#define RUNNER_FD   3                 /* its end of the pair */

#endif
