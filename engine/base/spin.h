/*
 * Waiting for another thread for some microseconds without sleeping.
 */
#ifndef ENGINE_BASE_SPIN_H
#define ENGINE_BASE_SPIN_H

/*
 * About a thousand pauses are 10–40 µs.  Who waits for a thread that may have no processor to
 * run on does not spin: it would keep that one from coming.
 */
#define SPIN_PAUSES 1000

static inline void spin_pause(void)
{
#if defined(__x86_64__)
	__builtin_ia32_pause();
#elif defined(__aarch64__)
	__asm__ volatile("yield");
#endif
}

#endif
