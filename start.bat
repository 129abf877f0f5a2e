@echo off
rem Starts the stack, waits until everything is healthy, and prints its addresses: start.bat [OVERLAY...]
rem An overlay is a file of deploy\compose\ without its .yaml: start.bat full. It can be run again at any time.
setlocal
cd /d "%~dp0"

where docker >nul 2>nul
if errorlevel 1 (
  echo Docker is missing: install Docker Desktop.>&2
  exit /b 1
)
docker compose version >nul 2>nul
if errorlevel 1 (
  echo Docker Compose is missing: install Docker Desktop.>&2
  exit /b 1
)
docker info >nul 2>nul
if errorlevel 1 (
  echo Docker does not answer: start Docker Desktop.>&2
  exit /b 1
)

set "COMPOSE=docker compose"
set "GRAFANA="
set "URL="
if "%~1"=="" goto up
set "COMPOSE=docker compose -f docker-compose.yaml"
:overlay
if "%~1"=="" goto override
if not exist "deploy\compose\%~1.yaml" (
  echo There is no overlay %~1: see deploy\compose.>&2
  exit /b 1
)
set "COMPOSE=%COMPOSE% -f deploy/compose/%~1.yaml"
if "%~1"=="full" set "GRAFANA=yes"
if "%~1"=="monitoring" set "GRAFANA=yes"
shift
goto overlay
:override
if exist docker-compose.override.yaml set "COMPOSE=%COMPOSE% -f docker-compose.override.yaml"

:up
%COMPOSE% up --build --detach --remove-orphans --wait --wait-timeout 300
if errorlevel 1 (
  echo Not everything became healthy. Read first: %COMPOSE% logs --tail=50 secrets app; the whole log: %COMPOSE% logs>&2
  exit /b 1
)

for /f "tokens=1,*" %%a in ('%COMPOSE% config') do if "%%a"=="PUBLIC_URL:" set "URL=%%~b"
for /f "tokens=1,*" %%a in ('%COMPOSE% config') do if "%%a"=="PUBLISHED_PORT:" set "PUBLISHED=%%~b"
rem In ADDRESS:PORT the port follows the last colon.
for %%p in (%PUBLISHED::= %) do set "PUBLISHED=%%p"
if not defined URL if "%PUBLISHED%"=="80" set "URL=http://localhost"
if not defined URL set "URL=http://localhost:%PUBLISHED%"
for /f "tokens=1,*" %%a in ('%COMPOSE% config') do if "%%a"=="GF_SERVER_ROOT_URL:" set "GRAFANA_URL=%%b"
echo.
echo Latchkey runs.
echo   API         %URL%
echo   Swagger     %URL%/swagger/
if defined GRAFANA (
  for /f %%a in ('%COMPOSE% port prometheus 9090') do echo   Prometheus  http://%%a
  echo   Grafana     %GRAFANA_URL%, as admin; the password:
  echo               %COMPOSE% exec grafana cat /run/secrets/password
)
echo To create the first administrator: the command asks for a password:
echo   %COMPOSE% exec app flask users create --role admin --email admin@example.com
