/* Keeps the memory of this process out of core dumps, crash reports and the hands of other processes of its user. */

#ifndef FINGERPRINT_PROCESS_MEMORY_H
#define FINGERPRINT_PROCESS_MEMORY_H

#ifdef _WIN32

#include <windows.h>

/* werapi.h; by number, as not every SDK has that header. */
#define NO_HEAP_IN_REPORTS 1

/* Returns 0, or the code of the first call that failed. Error reporting, and with it LocalDumps, is not started for this
   process; a report that is made all the same is without its heap. (WerAddExcludedApplication writes the registry, for
   every program of this file name, which is the interpreter's.) */
static int hide_process_memory(void) {
    typedef HRESULT (WINAPI *set_flags)(DWORD);
    HMODULE kernel = GetModuleHandleW(L"kernel32.dll");
    set_flags set = kernel ? (set_flags)(void (*)(void))GetProcAddress(kernel, "WerSetFlags") : NULL;
    SetErrorMode(SetErrorMode(0) | SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX);
    if (!set) return (int)ERROR_PROC_NOT_FOUND;
    return FAILED(set(NO_HEAP_IN_REPORTS)) ? (int)ERROR_ACCESS_DENIED : 0;
}

#else

#include <errno.h>
#include <sys/resource.h>
#include <sys/types.h>
#if defined(__linux__)
#include <sys/prctl.h>
#elif defined(__APPLE__)
#include <sys/ptrace.h>
#elif defined(__FreeBSD__)
#include <sys/procctl.h>
#include <unistd.h>
#endif

/* Returns 0, or the errno of the first call that failed: sandboxes forbid some. All are tried.

   The limit alone does not do: Linux ignores it where core_pattern is a pipe (systemd-coredump, apport). A process that is
   not dumpable writes no core in any way, and no other process without CAP_SYS_PTRACE attaches to it or reads its memory.
   Its own /proc/self stays readable to it, but for what is mode 0400 there (environ, auxv, mem). exec(2) resets it, so
   the tools that this process starts are as always. On macOS a debugger cannot attach any more, and one that has attached
   ends the process. */
static int hide_process_memory(void) {
    int code = 0;
    struct rlimit none = {0, 0};
    if (setrlimit(RLIMIT_CORE, &none)) code = errno;
#if defined(__linux__)
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) && !code) code = errno;
#elif defined(__APPLE__)
    if (ptrace(PT_DENY_ATTACH, 0, 0, 0) && !code) code = errno;
#elif defined(__FreeBSD__) && defined(PROC_TRACE_CTL)
    int disable = PROC_TRACE_CTL_DISABLE;
    if (procctl(P_PID, getpid(), PROC_TRACE_CTL, &disable) && !code) code = errno;
#endif
    return code;
}

#endif

#endif
