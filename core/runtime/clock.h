/* The two clocks of the process. Logic gets monotonic milliseconds passed in; wall time
 * is data that is printed or stored, never compared with the monotonic one.
 *
 * Nothing else in the tree reads a clock. Any thread.
 */
#ifndef MU_RUNTIME_CLOCK_H
#define MU_RUNTIME_CLOCK_H

#include <stdint.h>

/* Milliseconds of a clock that never steps back and goes on while the machine is
 * suspended, read now; its zero means nothing. */
uint64_t rt_clock_now_ms(void);
/* Microseconds, to measure how long something took; stands still while the machine is
 * suspended. Compared with itself alone. */
uint64_t rt_clock_now_us(void);
/* Milliseconds since 1970, as the host's clock has it now. */
int64_t rt_clock_wall_ms(void);

#endif
