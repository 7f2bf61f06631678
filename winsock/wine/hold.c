/*
 * A Windows program that does nothing. While it runs, so does Wine's server,
 * and the next program starts in hundredths of a second.
 */
#include <windows.h>

int
main(void)
{
    Sleep(INFINITE);
    return 0;
}
