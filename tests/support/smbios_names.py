"""Names of the numbers in an SMBIOS table, by DMTF DSP0134 (to version 3.7) in the words that dmidecode prints."""

from __future__ import annotations

OUT_OF_SPEC = "<OUT OF SPEC>"

# Each tuple begins with the name of number 1 unless its comment says otherwise.
WAKE_UP = (  # from 0
    "Reserved", "Other", "Unknown", "APM Timer", "Modem Ring", "LAN Remote", "Power Switch", "PCI PME#",
    "AC Power Restored",
)  # fmt: skip
BOARD_FEATURES = (  # bits from 0
    "Board is a hosting board", "Board requires at least one daughter board", "Board is removable",
    "Board is replaceable", "Board is hot swappable",
)  # fmt: skip
BOARD_KIND = (
    "Unknown", "Other", "Server Blade", "Connectivity Switch", "System Management Module", "Processor Module",
    "I/O Module", "Memory Module", "Daughter Board", "Motherboard", "Processor+Memory Module", "Processor+I/O Module",
    "Interconnect Board",
)  # fmt: skip
CHASSIS_KIND = (
    "Other", "Unknown", "Desktop", "Low Profile Desktop", "Pizza Box", "Mini Tower", "Tower", "Portable", "Laptop",
    "Notebook", "Hand Held", "Docking Station", "All In One", "Sub Notebook", "Space-saving", "Lunch Box",
    "Main Server Chassis", "Expansion Chassis", "Sub Chassis", "Bus Expansion Chassis", "Peripheral Chassis",
    "RAID Chassis", "Rack Mount Chassis", "Sealed-case PC", "Multi-system", "CompactPCI", "AdvancedTCA", "Blade",
    "Blade Enclosing", "Tablet", "Convertible", "Detachable", "IoT Gateway", "Embedded PC", "Mini PC", "Stick PC",
)  # fmt: skip
CHASSIS_STATE = ("Other", "Unknown", "Safe", "Warning", "Critical", "Non-recoverable")
SECURITY_STATUS = ("Other", "Unknown", "None", "External Interface Locked Out", "External Interface Enabled")
PROCESSOR_KIND = ("Other", "Unknown", "Central Processor", "Math Processor", "DSP Processor", "Video Processor")
PROCESSOR_STATUS = (  # from 0
    "Unknown", "Enabled", "Disabled By User", "Disabled By BIOS", "Idle", OUT_OF_SPEC, OUT_OF_SPEC, "Other",
)  # fmt: skip
PROCESSOR_CHARACTERISTICS = (  # bits from 2
    "64-bit capable", "Multi-Core", "Hardware Thread", "Execute Protection", "Enhanced Virtualization",
    "Power/Performance Control", "128-bit Capable", "Arm64 SoC ID",
)  # fmt: skip
UPGRADE = (  # number 0x24 is LGA1155 in the standard, and BGA1155 in what dmidecode prints
    "Other", "Unknown", "Daughter Board", "ZIF Socket", "Replaceable Piggy Back", "None", "LIF Socket", "Slot 1",
    "Slot 2", "370-pin Socket", "Slot A", "Slot M", "Socket 423", "Socket A (Socket 462)", "Socket 478", "Socket 754",
    "Socket 940", "Socket 939", "Socket mPGA604", "Socket LGA771", "Socket LGA775", "Socket S1", "Socket AM2",
    "Socket F (1207)", "Socket LGA1366", "Socket G34", "Socket AM3", "Socket C32", "Socket LGA1156", "Socket LGA1567",
    "Socket PGA988A", "Socket BGA1288", "Socket rPGA988B", "Socket BGA1023", "Socket BGA1224", "Socket BGA1155",
    "Socket LGA1356", "Socket LGA2011", "Socket FS1", "Socket FS2", "Socket FM1", "Socket FM2", "Socket LGA2011-3",
    "Socket LGA1356-3", "Socket LGA1150", "Socket BGA1168", "Socket BGA1234", "Socket BGA1364", "Socket AM4",
    "Socket LGA1151", "Socket BGA1356", "Socket BGA1440", "Socket BGA1515", "Socket LGA3647-1", "Socket SP3",
    "Socket SP3r2", "Socket LGA2066", "Socket BGA1392", "Socket BGA1510", "Socket BGA1528", "Socket LGA4189",
    "Socket LGA1200", "Socket LGA4677", "Socket LGA1700", "Socket BGA1744", "Socket BGA1781", "Socket BGA1211",
    "Socket BGA2422", "Socket LGA1211", "Socket LGA2422", "Socket LGA5773", "Socket BGA5773", "Socket AM5",
    "Socket SP5", "Socket SP6", "Socket BGA883", "Socket BGA1190", "Socket BGA4129", "Socket LGA4710",
    "Socket LGA7529",
)  # fmt: skip
ARRAY_LOCATION = (
    "Other", "Unknown", "System Board Or Motherboard", "ISA Add-on Card", "EISA Add-on Card", "PCI Add-on Card",
    "MCA Add-on Card", "PCMCIA Add-on Card", "Proprietary Add-on Card", "NuBus",
)  # fmt: skip
ARRAY_LOCATION_PC98 = (  # from 0xA0
    "PC-98/C20 Add-on Card", "PC-98/C24 Add-on Card", "PC-98/E Add-on Card", "PC-98/Local Bus Add-on Card",
    "CXL Flexbus 1.0",
)  # fmt: skip
ARRAY_USE = ("Other", "Unknown", "System Memory", "Video Memory", "Flash Memory", "Non-volatile RAM", "Cache Memory")
ERROR_CORRECTION = ("Other", "Unknown", "None", "Parity", "Single-bit ECC", "Multi-bit ECC", "CRC")
FORM_FACTOR = (
    "Other", "Unknown", "SIMM", "SIP", "Chip", "DIP", "ZIP", "Proprietary Card", "DIMM", "TSOP", "Row Of Chips", "RIMM",
    "SODIMM", "SRIMM", "FB-DIMM", "Die", "CAMM",
)  # fmt: skip
MEMORY_KIND = (
    "Other", "Unknown", "DRAM", "EDRAM", "VRAM", "SRAM", "RAM", "ROM", "Flash", "EEPROM", "FEPROM", "EPROM", "CDRAM",
    "3DRAM", "SDRAM", "SGRAM", "RDRAM", "DDR", "DDR2", "DDR2 FB-DIMM", "Reserved", "Reserved", "Reserved", "DDR3",
    "FBD2", "DDR4", "LPDDR", "LPDDR2", "LPDDR3", "LPDDR4", "Logical non-volatile device", "HBM", "HBM2", "DDR5",
    "LPDDR5", "HBM3",
)  # fmt: skip
MEMORY_DETAIL = (  # bits from 1
    "Other", "Unknown", "Fast-paged", "Static Column", "Pseudo-static", "RAMBus", "Synchronous", "CMOS", "EDO",
    "Window DRAM", "Cache DRAM", "Non-Volatile", "Registered (Buffered)", "Unbuffered (Unregistered)", "LRDIMM",
)  # fmt: skip
MEMORY_TECHNOLOGY = (
    "Other", "Unknown", "DRAM", "NVDIMM-N", "NVDIMM-F", "NVDIMM-P", "Intel Optane DC persistent memory",
)  # fmt: skip
MEMORY_MODE = (  # bits from 1
    "Other", "Unknown", "Volatile memory", "Byte-accessible persistent memory", "Block-accessible persistent memory",
)  # fmt: skip
BIOS_CHARACTERISTICS = (  # bits from 4
    "ISA is supported", "MCA is supported", "EISA is supported", "PCI is supported", "PC Card (PCMCIA) is supported",
    "PNP is supported", "APM is supported", "BIOS is upgradeable", "BIOS shadowing is allowed", "VLB is supported",
    "ESCD support is available", "Boot from CD is supported", "Selectable boot is supported", "BIOS ROM is socketed",
    "Boot from PC Card (PCMCIA) is supported", "EDD is supported",
    "Japanese floppy for NEC 9800 1.2 MB is supported (int 13h)",
    "Japanese floppy for Toshiba 1.2 MB is supported (int 13h)", '5.25"/360 kB floppy services are supported (int 13h)',
    '5.25"/1.2 MB floppy services are supported (int 13h)', '3.5"/720 kB floppy services are supported (int 13h)',
    '3.5"/2.88 MB floppy services are supported (int 13h)', "Print screen service is supported (int 5h)",
    "8042 keyboard services are supported (int 9h)", "Serial services are supported (int 14h)",
    "Printer services are supported (int 17h)", "CGA/mono video services are supported (int 10h)", "NEC PC-98",
)  # fmt: skip
BIOS_EXTENSION_1 = (
    "ACPI is supported", "USB legacy is supported", "AGP is supported", "I2O boot is supported",
    "LS-120 boot is supported", "ATAPI Zip drive boot is supported", "IEEE 1394 boot is supported",
    "Smart battery is supported",
)  # fmt: skip
BIOS_EXTENSION_2 = (
    "BIOS boot specification is supported", "Function key-initiated network boot is supported",
    "Targeted content distribution is supported", "UEFI is supported", "System is a virtual machine",
    "Manufacturing mode is supported", "Manufacturing mode is enabled",
)  # fmt: skip

_FAMILY_FROM_1 = (
    "Other", "Unknown", "8086", "80286", "80386", "80486", "8087", "80287", "80387", "80487", "Pentium", "Pentium Pro",
    "Pentium II", "Pentium MMX", "Celeron", "Pentium II Xeon", "Pentium III", "M1", "M2", "Celeron M", "Pentium 4 HT",
)  # fmt: skip
_FAMILIES = (
    (0x01, _FAMILY_FROM_1),
    (0x16, ("Intel", "", "Duron", "K5", "K6", "K6-2", "K6-3", "Athlon", "AMD29000", "K6-2+")),
    (0x20, (
        "Power PC", "Power PC 601", "Power PC 603", "Power PC 603+", "Power PC 604", "Power PC 620", "Power PC x704",
        "Power PC 750", "Core Duo", "Core Duo Mobile", "Core Solo Mobile", "Atom", "Core M", "Core m3", "Core m5",
        "Core m7", "Alpha", "Alpha 21064", "Alpha 21066", "Alpha 21164", "Alpha 21164PC", "Alpha 21164a",
        "Alpha 21264", "Alpha 21364", "Turion II Ultra Dual-Core Mobile M", "Turion II Dual-Core Mobile M",
        "Athlon II Dual-Core M", "Opteron 6100", "Opteron 4100", "Opteron 6200", "Opteron 4200", "FX", "MIPS",
        "MIPS R4000", "MIPS R4200", "MIPS R4400", "MIPS R4600", "MIPS R10000", "C-Series", "E-Series", "A-Series",
        "G-Series", "Z-Series", "R-Series", "Opteron 4300", "Opteron 6300", "Opteron 3300", "FirePro", "SPARC",
        "SuperSPARC", "MicroSPARC II", "MicroSPARC IIep", "UltraSPARC", "UltraSPARC II", "UltraSPARC IIi",
        "UltraSPARC III", "UltraSPARC IIIi",
    )),
    (0x60, (
        "68040", "68xxx", "68000", "68010", "68020", "68030", "Athlon X4", "Opteron X1000", "Opteron X2000",
        "Opteron A-Series", "Opteron X3000", "Zen",
    )),
    (0x70, ("Hobbit",)),
    (0x78, ("Crusoe TM5000", "Crusoe TM3000", "Efficeon TM8000")),
    (0x80, (
        "Weitek", "", "Itanium", "Athlon 64", "Opteron", "Sempron", "Turion 64", "Dual-Core Opteron", "Athlon 64 X2",
        "Turion 64 X2", "Quad-Core Opteron", "Third-Generation Opteron", "Phenom FX", "Phenom X4", "Phenom X2",
        "Athlon X2", "PA-RISC", "PA-RISC 8500", "PA-RISC 8000", "PA-RISC 7300LC", "PA-RISC 7200", "PA-RISC 7100LC",
        "PA-RISC 7100",
    )),
    (0xA0, (
        "V30", "Quad-Core Xeon 3200", "Dual-Core Xeon 3000", "Quad-Core Xeon 5300", "Dual-Core Xeon 5100",
        "Dual-Core Xeon 5000", "Dual-Core Xeon LV", "Dual-Core Xeon ULV", "Dual-Core Xeon 7100", "Quad-Core Xeon 5400",
        "Quad-Core Xeon", "Dual-Core Xeon 5200", "Dual-Core Xeon 7200", "Quad-Core Xeon 7300", "Quad-Core Xeon 7400",
        "Multi-Core Xeon 7400", "Pentium III Xeon", "Pentium III Speedstep", "Pentium 4", "Xeon", "AS400", "Xeon MP",
        "Athlon XP", "Athlon MP", "Itanium 2", "Pentium M", "Celeron D", "Pentium D", "Pentium EE", "Core Solo", "",
        "Core 2 Duo", "Core 2 Solo", "Core 2 Extreme", "Core 2 Quad", "Core 2 Extreme Mobile", "Core 2 Duo Mobile",
        "Core 2 Solo Mobile", "Core i7", "Dual-Core Celeron", "IBM390", "G4", "G5", "ESA/390 G6", "z/Architecture",
        "Core i5", "Core i3", "Core i9", "Xeon D", "", "C7-M", "C7-D", "C7", "Eden", "Multi-Core Xeon",
        "Dual-Core Xeon 3xxx", "Quad-Core Xeon 3xxx", "VIA Nano", "Dual-Core Xeon 5xxx", "Quad-Core Xeon 5xxx",
    )),
    (0xDD, (
        "Dual-Core Xeon 7xxx", "Quad-Core Xeon 7xxx", "Multi-Core Xeon 7xxx", "Multi-Core Xeon 3400",
    )),
    (0xE4, (
        "Opteron 3000", "Sempron II", "Embedded Opteron Quad-Core", "Phenom Triple-Core",
        "Turion Ultra Dual-Core Mobile", "Turion Dual-Core Mobile",
        "Athlon Dual-Core", "Sempron SI", "Phenom II", "Athlon II", "Six-Core Opteron",
        "Sempron M",
    )),
    (0xFA, ("i860", "i960")),
    (0x100, ("ARMv7", "ARMv8", "ARMv9", "", "SH-3", "SH-4")),
    (0x118, ("ARM", "StrongARM")),
    (0x12C, ("6x86", "MediaGX", "MII")),
    (0x140, ("WinChip",)),
    (0x15E, ("DSP",)),
    (0x1F4, ("Video Processor",)),
    (0x200, ("RV32", "RV64", "RV128")),
    (0x258, ("LoongArch", "Loongson 1", "Loongson 2", "Loongson 3", "Loongson 2K", "Loongson 3A", "Loongson 3B",
             "Loongson 3C", "Loongson 3D", "Loongson 3E", "Dual-Core Loongson 2K", "Quad-Core Loongson 3A",
             "Multi-Core Loongson 3A", "Quad-Core Loongson 3B", "Multi-Core Loongson 3B", "Multi-Core Loongson 3C",
             "Multi-Core Loongson 3D")),
)  # fmt: skip
FAMILY = {start + i: name for start, names in _FAMILIES for i, name in enumerate(names) if name}


def named(names: tuple[str, ...], number: int | None, first: int = 1) -> str | None:
    """Return the name of a number, "<OUT OF SPEC>" if it has none, None for no number."""
    if number is None:
        return None
    return names[number - first] if first <= number < first + len(names) else OUT_OF_SPEC


def bits(names: tuple[str, ...], value: int, first: int = 0) -> tuple[str, ...]:
    """Return the names of the bits that are set, from bit `first` on."""
    return tuple(name for i, name in enumerate(names, first) if value >> i & 1)
