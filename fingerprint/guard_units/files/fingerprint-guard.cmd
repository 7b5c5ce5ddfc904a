@echo off
rem Unverified: generated and parsed, not run on Windows. Written by `fingerprint guard install`
rem Runs the command of its arguments, and then starts the agent, unless that ended with 1 and its own line. The agent
rem has the start type delayed-auto: Windows starts it two minutes after the boot, also if this never runs. A block
rem gives it the start type demand, and the next run takes that back before it knows more. One that is disabled stays.
setlocal EnableExtensions DisableDelayedExpansion
set "system=%SystemRoot%\System32"
set "service=@SERVICE@"
set "said=%~dp0fingerprint-guard.out"
set "errors=%~dp0fingerprint-guard.err"
set "code=none"
if "%~1"=="late" goto late
call :blocked
if not errorlevel 1 "%system%\sc.exe" config %service% start= delayed-auto >nul
rem One that hangs must not keep the agent down.
cd /d "%~dp0"
start "" /b "%system%\cmd.exe" /d /c .\%~nx0 late
rem An old answer must not count for a command that did not run.
del /f /q "%said%" "%errors%" 2>nul
if exist "%said%" goto failed
%* >"%said%" 2>"%errors%"
set "code=%errorlevel%"
if "%code%"=="0" goto go
if not "%code%"=="1" goto failed
"%system%\find.exe" "@BLOCKED@" "%said%" >nul 2>nul
if errorlevel 1 goto failed
"%system%\sc.exe" config %service% start= demand >nul
"%system%\sc.exe" stop %service% >nul
exit /b 1
:failed
echo fingerprint: the check failed (exit code %code%): the agent starts without it>>"%errors%"
"%system%\sc.exe" start %service% >nul
exit /b 2
:go
"%system%\sc.exe" start %service% >nul
exit /b 0
:late
"%system%\ping.exe" -n @SECONDS@ 127.0.0.1 >nul
call :blocked
if errorlevel 1 "%system%\sc.exe" start %service% >nul
exit /b 0
:blocked
"%system%\reg.exe" query HKLM\SYSTEM\CurrentControlSet\Services\%service% /v Start 2>nul | "%system%\find.exe" "0x3" >nul
exit /b %errorlevel%
