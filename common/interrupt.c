/* The count of signals: see interrupt.h. */
#include "interrupt.h"

volatile sig_atomic_t interrupts;

void
interrupt(void)
{
    interrupts = (sig_atomic_t)((unsigned)interrupts + 1); /* may overflow */
}
