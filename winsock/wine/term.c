/*
 * Loaded into the process that Wine makes of a Windows program (LD_PRELOAD).
 * Wine passes SIGINT on to the program, as Ctrl-C. SIGTERM would end it without
 * a word, since Windows has nothing like it. So it becomes a SIGINT here.
 */
#include <signal.h>
#include <string.h>
#include <unistd.h>

static void
on_term(int signum)
{
    (void)signum;
    (void)kill(getpid(), SIGINT);
}

static void __attribute__((constructor)) catch_term(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = on_term;
    /* Wine's threads have a stack for signals, and expect their calls to go on.
     */
    action.sa_flags = SA_ONSTACK | SA_RESTART;
    (void)sigaction(SIGTERM, &action, NULL);
}
