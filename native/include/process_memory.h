/* Keep the memory of this process out of core dumps and crash reports, and away from other processes of its user. */

#ifndef FINGERPRINT_PROCESS_MEMORY_H
#define FINGERPRINT_PROCESS_MEMORY_H

#ifdef _WIN32

#include <windows.h>

/* werapi.h; by number, as not every SDK has that header. */
#define NO_HEAP_IN_REPORTS 1

/* Return 0, or the code of the first call that failed. Windows starts no error reporting, and so no LocalDumps, for
   this process; a report that is made nevertheless lacks the heap. (WerAddExcludedApplication is no alternative: it
   writes the registry, for all programs with the interpreter's file name.) */
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

/* Return 0, or the errno of the first call that failed: sandboxes forbid some. All calls are made.

   The limit alone is not enough: Linux ignores it if core_pattern is a pipe (systemd-coredump, apport). A process that
   is not dumpable writes no core at all, and only a process with CAP_SYS_PTRACE can attach to it or read its memory. It
   can still read its own /proc/self, except files of mode 0400 (environ, auxv, mem). exec(2) resets the flag, so the
   tools that this process starts are not affected. On macOS a debugger can no longer attach, and an attached one ends
   the process. */
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
