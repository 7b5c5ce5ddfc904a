"""Output of dmidecode for tests: one group for each kind of structure, and all of them in a row."""

from __future__ import annotations

HEAD = """\
# dmidecode 3.4
Getting SMBIOS data from sysfs.
SMBIOS 3.1.1 present.
Table at 0x7A000000.

"""
BIOS = """\
Handle 0x0000, DMI type 0, 26 bytes
BIOS Information
\tVendor: Example Firmware
\tVersion: X1.07 \n\
\tRelease Date: 02/03/2019
\tROM Size: 16 MB
\tCharacteristics:
\t\tPCI is supported
\t\tVersion: of a list, not of the firmware
\tBIOS Revision: 5.12
\tFirmware Revision: 1.9

Handle 0x0001, DMI type 13, 22 bytes
BIOS Language Information
\tInstallable Languages: 1
\tVersion: en|US

"""
SYSTEM = """\
Handle 0x0010, DMI type 1, 27 bytes
System Information
\tManufacturer: Example Inc.
\tProduct Name: Model: 7
\tVersion: Not Specified
\tSerial Number: EX00042
\tUUID: 01234567-89AB-4CDE-8F01-23456789ABCD
\tWake-up Type: Power Switch
\tSKU Number: EX7
\tFamily:

Handle 0x0011, DMI type 2, 15 bytes
Base Board Information
\tManufacturer: Example Boards
\tProduct Name: EB-7
\tVersion: A01
\tSerial Number: /EX00042/EB1/
\tAsset Tag: --
\tFeatures:
\t\tBoard is a hosting board
\tLocation In Chassis: Not Specified
\tChassis Handle: 0x0012
\tType: Motherboard
\tContained Object Handles: 0

Handle 0x0012, DMI type 3, 22 bytes
Chassis Information
\tManufacturer: Example Inc.
\tType: Rack Mount Chassis
\tLock: Not Present
\tVersion: C2
\tSerial Number: EX00042
\tAsset Tag: AT-9
\tSKU Number: EXC

Handle 0x0013, DMI type 11, 5 bytes
OEM Strings
\tString 1: Example System
\tString 2: 1[0042]
\tString 3:  \n\

"""
PROCESSOR = """\
Handle 0x0020, DMI type 4, 48 bytes
Processor Information
\tSocket Designation: CPU0
\tType: Central Processor
\tFamily: Xeon
\tManufacturer: Example Silicon
\tID: A9 06 03 00 FF FB EB BF
\tSignature: Type 0, Family 6, Model 58, Stepping 9
\tFlags:
\t\tFPU (Floating-point unit on-chip)
\tVersion: Example CPU @ 2.40GHz
\tVoltage: 1.1 V
\tExternal Clock: 100 MHz
\tMax Speed: 3400 MHz
\tCurrent Speed: 2400 MHz
\tStatus: Populated, Enabled
\tUpgrade: Socket LGA1155
\tSerial Number: CPU-1
\tAsset Tag: CPU-2
\tPart Number: CPU-3
\tCore Count: 4
\tCore Enabled: 3
\tThread Count: 8

Handle 0x0021, DMI type 4, 48 bytes
Processor Information
\tSocket Designation: CPU1
\tType: Central Processor
\tID: 00 00 00 00 00 00 00 00
\tMax Speed: Unknown
\tStatus: Unpopulated

"""
MEMORY = """\
Handle 0x0030, DMI type 16, 23 bytes
Physical Memory Array
\tLocation: System Board Or Motherboard
\tUse: System Memory
\tError Correction Type: Multi-bit ECC
\tMaximum Capacity: 3 TB
\tError Information Handle: Not Provided
\tNumber Of Devices: 4

Handle 0x0031, DMI type 17, 40 bytes
Memory Device
\tArray Handle: 0x0030
\tSize: 8192 MB
\tForm Factor: DIMM
\tLocator: DIMM_A1
\tBank Locator: BANK 0
\tType: DDR4
\tType Detail: Synchronous
\tSpeed: 2400 MT/s
\tManufacturer: Example Memory
\tSerial Number: 0A0B0C0D
\tAsset Tag: DIMM_A1_AssetTag
\tPart Number: EM8G-2400   \n\
\tRank: 2

Handle 0x0032, DMI type 17, 40 bytes
Memory Device
\tArray Handle: 0x0030
\tSize: No Module Installed
\tLocator: DIMM_A2
\tType: Unknown
\tSpeed: Unknown
\tRank: Unknown

"""
COMPLETE = HEAD + BIOS + SYSTEM + PROCESSOR + MEMORY
