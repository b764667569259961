/*
 * A model file that shrinks while it is in use.
 *
 * Weights are mapped; where another program cuts such a file short, the next
 * touch of the missing part raises SIGBUS in whichever thread that is, and nothing
 * can be computed any more.  The handler says which file it was and ends the
 * program with EXIT_MODEL.  Any other SIGBUS does what it would have done.
 */
#ifndef APP_MAPFAULT_H
#define APP_MAPFAULT_H

/* Once, before threads are made. */
void mapfault_install(void);

#endif
